import { LaunchError } from '../../errors.ts'
import type { World } from '../../world.ts'
import { ask } from '../op/ask.ts'
import type { Connect, TokenSource } from '../op/connection.ts'
import { outcomeOf } from '../op/reference-answers.ts'
import { sdkConnect } from '../op/sdk.ts'
import { parseRef } from '../parse-ref.ts'
import type { OpRef } from '../ref.ts'
import { type Outcome, type Source, SourceError } from '../source.ts'

/**
 * `op://…` through 1Password's SDK with a service-account token: one sign-in and one request for all references, none
 * if there is nothing to ask. Where the whole request fails, all references get the *same* error object, so that it
 * can be reported once.
 */
export function opSource(world: World, token: TokenSource, connect: Connect = sdkConnect(world.env)): Source {
  return {
    async resolve(refs, deadline) {
      const own = refs.filter((ref) => ref.kind === 'op')
      const outcomes = new Map<string, Outcome>(own.filter((ref) => !isSound(ref)).map((ref) => [ref.text, unsound()]))
      const texts = [...new Set(own.map(({ text }) => text))].filter((text) => !outcomes.has(text))
      if (texts.length === 0) return outcomes
      const response = await ask(world, token, connect, deadline, (connection) => connection.resolveAll(texts))
      for (const text of texts) {
        outcomes.set(text, response instanceof LaunchError ? response : outcomeOf(text, response))
      }
      return outcomes
    },
  }
}

/** What the SDK itself takes for a reference is more than there can be (`op://v//f`), and each try costs a request. */
function isSound(ref: OpRef): boolean {
  try {
    const { kind, text } = parseRef(ref.text)
    return kind === 'op' && text === ref.text
  } catch {
    return false
  }
}

/** Without its text: what is no reference may be a secret. */
function unsound(): SourceError {
  return new SourceError('said-no', {
    what: "can't resolve a 1password reference",
    why: 'it is malformed',
    hint: 'write it as op://vault/item/field',
  })
}
