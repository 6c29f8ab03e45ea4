import type { Settings } from '../../registry/entry.ts'
import { span } from '../../span.ts'
import type { World } from '../../world.ts'
import { cacheError } from './cache-error.ts'
import { contentHash } from './content-hash.ts'
import { judge } from './freshness.ts'
import { readIdentity } from './identity.ts'
import { type Meta, readMeta } from './meta.ts'
import { places } from './places.ts'
import type { Wanted } from './policy.ts'
import { assertOwn } from './store.ts'
import { readValues, type Values } from './values.ts'
import { mapDetails, unsealed } from './words.ts'

/** What the cache has of these references, in words, by their text. Nothing is asked, made or changed. */
export async function cachedAge(
  world: World,
  wanted: readonly Wanted[],
  cache: Settings['cache'],
): Promise<ReadonlyMap<string, string>> {
  const values = await peekValues(world)
  const now = world.now()
  return new Map(
    wanted.flatMap(({ ref, key, policy }): [string, string][] => {
      const entry = values.get(key)
      if (entry === undefined || policy.kind === 'never') return []
      const hash = contentHash(world, policy)
      const verdict = judge(entry, policy, { now, maxStaleMs: cache.maxStaleMs, contentHash: hash })
      return verdict === 'useless' ? [] : [[ref.text, `in the cache for ${span(now - entry.fetchedAt)}, ${verdict}`]]
    }),
  )
}

/** What the cache has. Nothing is made or changed; none if it can't be read. */
export async function peekValues(world: World): Promise<Values> {
  return (await peekCache(world)).values
}

/** The cache as it is found. */
export interface Peek {
  /** None if they can't be read. */
  readonly values: Values
  readonly meta: Meta
  /** Why the values can't be read, in words; undefined if they can, or if there are none. */
  readonly problem?: string
}

/** Looks at the cache. Nothing is made or changed. */
export async function peekCache(world: World): Promise<Peek> {
  const where = places(world)
  const meta = readMeta(world, where)
  const nothing = (problem?: string): Peek => ({
    values: new Map(),
    meta: mapDetails(meta, () => undefined),
    ...(problem === undefined ? {} : { problem }),
  })
  try {
    assertOwn(world, where)
    const identity = await readIdentity(world, where)
    if (identity === undefined)
      return nothing(
        world.files.lstat(where.values) === undefined ? undefined : 'the machine key that opens it is gone',
      )
    const reading = await readValues(world, where, identity)
    return {
      ...nothing(reading.kind === 'damaged' ? reading.why : undefined),
      ...(reading.kind === 'values' ? { values: reading.values } : {}),
      meta: mapDetails(meta, (sealed) => unsealed(world, identity, sealed)),
    }
  } catch (error) {
    const { message, hint } = cacheError(error)
    return nothing(hint === undefined ? message : `${message} (${hint})`)
  }
}
