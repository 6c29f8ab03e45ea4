import type { World } from '../../world.ts'
import { contentHash } from './content-hash.ts'
import type { Meta } from './meta.ts'
import type { CachedValue, Values } from './values.ts'

/** A refusal holds for some hours; its text may be of interest for longer. */
const STATE_MS = 30 * 24 * 3_600_000

/**
 * What is still of use to somebody: no value whose time has passed, or whose file is gone or another one, and no state
 * of a reference that has no value and hasn't been asked for in a month. The references of a server that was taken out
 * of the registry end so, whichever registry that was.
 */
export function pruned(world: World, values: Values, meta: Meta): { readonly values: Values; readonly meta: Meta } {
  const now = world.now()
  const hashes = new Map<string, string | undefined>()
  const hashOf = (file: string): string | undefined => {
    if (!hashes.has(file)) hashes.set(file, contentHash(world, { kind: 'content', file, ttlMs: 0 }))
    return hashes.get(file)
  }
  const isUseful = ({ fetchedAt, uselessAfter, file, contentHash: hash }: CachedValue): boolean => {
    // As far ahead as back: the clock may have been set back.
    if (uselessAfter !== undefined && Math.abs(now - fetchedAt) > uselessAfter - fetchedAt) return false
    return file === undefined || hashOf(file) === hash
  }
  const useful = new Map([...values].filter(([, value]) => isUseful(value)))
  const refs = Object.entries(meta.refs).filter(
    ([key, { attemptedAt }]) => useful.has(key) || Math.abs(now - attemptedAt) <= STATE_MS,
  )
  return { values: useful, meta: { ...meta, refs: Object.fromEntries(refs) } }
}
