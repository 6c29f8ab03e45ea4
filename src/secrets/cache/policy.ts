import type { SecretSpec, Settings } from '../../registry/entry.ts'
import type { Ref } from '../ref.ts'

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
  /** Names the value in the cache: the reference with its file made absolute. */
  readonly key: string
  readonly policy: Policy
}

/** The policy of one secret: its source's habit (DESIGN, "Contract: registry"), overridden by its own `cache`. */
export function wanted(
  ref: Ref,
  spec: Pick<SecretSpec, 'cache'>,
  cache: Settings['cache'],
  absolute: (file: string) => string,
): Wanted {
  const ttlMs = typeof spec.cache === 'number' ? spec.cache : cache.ttlMs
  const never: Policy = { kind: 'never' }
  const chosen = (habit: Policy): Policy => (spec.cache === false ? never : habit)
  switch (ref.kind) {
    case 'op':
      return { ref, key: ref.text, policy: ref.attribute === undefined ? chosen({ kind: 'time', ttlMs }) : never }
    case 'op-env':
      return { ref, key: ref.text, policy: chosen({ kind: 'time', ttlMs }) }
    case 'command':
      return { ref, key: `${ref.text} in ${absolute('.')}`, policy: chosen({ kind: 'time', ttlMs }) }
    case 'sops':
    case 'age': {
      const file = absolute(ref.file)
      const forever = typeof spec.cache === 'number' ? ttlMs : Number.POSITIVE_INFINITY
      const key = ref.text.replace(ref.file, () => file)
      return { ref, key, policy: chosen({ kind: 'content', file, ttlMs: forever }) }
    }
    case 'file':
    case 'env': {
      const isCached = spec.cache === true || typeof spec.cache === 'number'
      const key = ref.kind === 'file' ? `file:${absolute(ref.file)}` : ref.text
      return { ref, key, policy: isCached ? { kind: 'time', ttlMs } : never }
    }
  }
}
