import type { ServerEntry } from '../registry/entry.ts'
import { Secret } from '../secrets/secret.ts'
import type { Environment } from '../world.ts'
import { isLaunchersOwn, looksLikeCredential } from './credentials.ts'

/** One variable, where it comes from and what becomes of it. `explain` prints all of it but the value. */
export interface Variable {
  readonly name: string
  readonly origin: 'client' | 'launcher' | 'registry' | 'secret'
  readonly decision: 'pass' | 'set' | 'drop'
  readonly why: string
  /** Undefined for what is dropped, what another one sets, and a secret that `explain` didn't ask for. */
  readonly value: string | Secret | undefined
}

/** What the server's environment is made of, the later over the earlier. */
export interface EnvironmentParts {
  readonly client: Environment
  readonly server: Pick<ServerEntry, 'inheritEnv' | 'passEnv'>
  /** What the launcher adds so that its wrappers work (`XDG_RUNTIME_DIR`), or to keep `PATH` and `PWD` true. */
  readonly launcher: readonly { readonly name: string; readonly value: string | undefined; readonly why: string }[]
  /** The registry's `env`, expanded. */
  readonly plain: Environment
  readonly secrets: readonly {
    readonly name: string
    readonly value: string | Secret | undefined
    readonly why: string
  }[]
}

const FOREIGN = "looks like somebody else's credential"

const MINIMAL = /^(HOME|LOGNAME|PATH|SHELL|TERM|USER|LANG|LANGUAGE|LC_[A-Z]+|TZ|TMPDIR)$/

/** Decides on every variable; sorted by name, dropped ones included. */
export function planEnvironment(parts: EnvironmentParts): Variable[] {
  const variables = new Map<string, Variable>()
  for (const [name, value] of Object.entries(parts.client)) variables.set(name, fromClient(parts.server, name, value))
  const set = (origin: Variable['origin'], name: string, value: Variable['value'], why: string): void => {
    const replaced = variables.get(name)?.decision === 'pass' ? `${why}; replaces the client's` : why
    variables.set(name, { name, origin, decision: 'set', why: replaced, value })
  }
  for (const { name, value, why } of parts.launcher) {
    const passed = variables.get(name)
    if (passed?.decision !== 'pass' || passed.value !== value) set('launcher', name, value, why)
  }
  for (const [name, value] of Object.entries(parts.plain)) set('registry', name, value, 'env')
  for (const { name, value, why } of parts.secrets) set('secret', name, value, why)
  return [...variables.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

function fromClient(server: EnvironmentParts['server'], name: string, value: string): Variable {
  const pass = (why: string): Variable => ({ name, origin: 'client', decision: 'pass', why, value })
  const drop = (why: string): Variable => ({ name, origin: 'client', decision: 'drop', why, value: undefined })
  if (server.passEnv.includes(name)) return pass('named in passEnv')
  if (server.inheritEnv === 'all') return pass('inheritEnv: all')
  if (server.inheritEnv === 'minimal' && !MINIMAL.test(name)) return drop('inheritEnv: minimal')
  if (isLaunchersOwn(name)) return drop("the launcher's own")
  if (looksLikeCredential(name, value)) return drop(FOREIGN)
  return pass(`inheritEnv: ${server.inheritEnv}`)
}

/** The names that a note on stderr tells about: a server that misses one should not be a riddle. */
export function droppedCredentials(variables: readonly Variable[]): string[] {
  return variables.filter(({ decision, why }) => decision === 'drop' && why === FOREIGN).map(({ name }) => name)
}

/** The environment itself: here, and nowhere before, a secret leaves its box. */
export function buildEnvironment(variables: readonly Variable[]): Record<string, string> {
  const environment: Record<string, string> = Object.create(null)
  for (const { name, value } of variables) {
    if (value !== undefined) environment[name] = value instanceof Secret ? value.reveal() : value
  }
  return environment
}
