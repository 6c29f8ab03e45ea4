import { LaunchError } from '../errors.ts'
import type { ServerEntry } from '../registry/entry.ts'
import { isLoaderVariable } from '../registry/loader-variables.ts'
import { Secret } from '../secrets/secret.ts'
import type { Outcome } from '../secrets/source.ts'
import { VARIABLE_NAME } from '../variable-name.ts'

/**
 * The variables of a whole environment, one by one. The server's own `secrets` go over them, and the names are checked
 * here as the registry checks its own: whoever may edit the environment must not run code in the server.
 */
export function environmentVariables(server: ServerEntry, outcome: Outcome): ReadonlyMap<string, Secret> | LaunchError {
  if (!(outcome instanceof Secret)) return outcome
  const variables = outcome.toMap()
  const refused = [...variables.keys()].filter((name) => !VARIABLE_NAME.test(name) || isLoaderVariable(name))
  if (refused.length > 0) {
    return new LaunchError('failure', {
      what: "can't use",
      subject: server.environment?.text ?? 'environment',
      why: `it sets ${refused.map((name) => JSON.stringify(name)).join(', ')}, which no secret may set`,
      hint: 'take that out of the environment, or put it under "env" of the server',
    })
  }
  return new Map([...variables].filter(([name]) => !Object.hasOwn(server.secrets, name)))
}
