import { dirname } from 'node:path'
import type { Registered } from '../registry/entry.ts'
import type { World } from '../world.ts'
import { resolveRefs } from './resolve.ts'
import { Secret } from './secret.ts'
import { type Deadline, notAsked, type Outcome } from './source.ts'
import { openSources } from './sources/open.ts'

/** The 1Password token of a registry. */
export interface Token {
  /** The token, or why there is none. It is looked for once, whoever asks: a command that gives it may ask a person. */
  resolve(deadline: Deadline): Promise<Outcome>
  /**
   * Tells it from another. Undefined if there is none, and for one that a command gives: a refusal that is remembered
   * would else have the command run again at each start of a server.
   */
  print(deadline: Deadline): Promise<string | undefined>
}

export function openToken(
  world: World,
  { registryPath, settings }: Pick<Registered, 'registryPath' | 'settings'>,
): Token {
  const ref = settings.onepassword.token
  let found: Promise<Outcome> | undefined
  const find = async (deadline: Deadline): Promise<Outcome> => {
    const sources = await openSources(world, dirname(registryPath), [ref], { token: noToken, byProgram: false })
    const outcome = (await resolveRefs(sources, [ref], deadline)).get(ref.text) as Outcome
    // A file is looked at again at no cost; a command is not, and has its cooldown.
    return outcome instanceof Secret || ref.kind === 'command' ? outcome : notAsked(outcome)
  }
  const resolve = (deadline: Deadline): Promise<Outcome> => {
    found ??= find(deadline)
    return found
  }
  return {
    resolve,
    async print(deadline) {
      if (ref.kind === 'command') return undefined
      const token = await resolve(deadline)
      return token instanceof Secret ? token.fingerprint(world.sha256) : undefined
    },
  }
}

/** The registry refuses a token that is kept in 1Password. */
function noToken(): Promise<Outcome> {
  throw new Error('a 1password token can not come from 1password')
}
