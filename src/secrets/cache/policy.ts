import type { SecretSpec, Settings } from '../../registry/entry.ts'
import { formatRef } from '../parse-ref.ts'
import { isOnePassword, type Ref } from '../ref.ts'

/**
 * How long a value may be used: never from the cache, for a time, or as long as the bytes of the file that it came
 * from are the same (and for a time, if the registry says so).
 */
export type Policy =
  | { readonly kind: 'never' }
  | { readonly kind: 'time'; readonly ttlMs: number }
  | { readonly kind: 'content'; readonly file: string; readonly ttlMs: number }

/** A reference with what the cache has to know of it. */
export interface Wanted {
  readonly ref: Ref
  /** Names the value in the cache: the reference with all that it means something else with. */
  readonly key: string
  readonly policy: Policy
  /** Names the 1Password account that is asked, whose refusals may concern all of its references. */
  readonly source?: string
}

/** The policy of one secret: its source's habit (DESIGN, "Contract: registry"), overridden by its own `cache`. */
export function wanted(
  ref: Ref,
  spec: Pick<SecretSpec, 'cache'>,
  { cache, onepassword }: Settings,
  absolute: (file: string) => string,
): Wanted {
  const key = absoluteText(ref, absolute)
  const policy = policyOf(ref, spec.cache, cache.ttlMs, absolute)
  if (!isOnePassword(ref)) return { ref, key, policy }
  const source = accountOf(onepassword.token, absolute)
  return { ref, key: `${key} of ${source}`, policy, source }
}

function policyOf(ref: Ref, own: SecretSpec['cache'], usualMs: number, absolute: (file: string) => string): Policy {
  const ttlMs = typeof own === 'number' ? own : usualMs
  if (own === false) return { kind: 'never' }
  switch (ref.kind) {
    case 'op':
      return ref.attribute === undefined ? { kind: 'time', ttlMs } : { kind: 'never' }
    case 'op-env':
    case 'command':
      return { kind: 'time', ttlMs }
    case 'sops':
    case 'age': {
      const forever = typeof own === 'number' ? ttlMs : Number.POSITIVE_INFINITY
      return { kind: 'content', file: absolute(ref.file), ttlMs: forever }
    }
    case 'file':
    case 'env':
      return own === undefined ? { kind: 'never' } : { kind: 'time', ttlMs }
  }
}

/** The reference as it means the same in every registry: files absolute, and where a program runs. */
function absoluteText(ref: Ref, absolute: (file: string) => string): string {
  switch (ref.kind) {
    case 'sops':
    case 'age':
    case 'file':
      return formatRef({ ...ref, file: absolute(ref.file) })
    case 'command':
      return `${ref.text} in ${absolute('.')}`
    case 'op':
    case 'op-env':
    case 'env':
      return ref.text
  }
}

/**
 * An account is known by where its token is kept, as two registries, say of work and of home, name two places. It isn't
 * known by the token itself: that may be gone or not be had now (a client without the variable, a locked password
 * manager), and a new one for the same account must not throw away what serves while 1Password is out of reach. What
 * the `op` program gave to a person who has no token is found by the launches of the same registry.
 */
function accountOf(token: Ref, absolute: (file: string) => string): string {
  return `1password by ${absoluteText(token, absolute)}`
}
