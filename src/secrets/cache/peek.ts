import type { Settings } from '../../registry/entry.ts'
import { span } from '../../span.ts'
import type { World } from '../../world.ts'
import { judge } from './freshness.ts'
import { readIdentity } from './identity.ts'
import { places } from './places.ts'
import type { Wanted } from './policy.ts'
import { readValues, type Values } from './values.ts'

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
      if (entry === undefined || policy.kind !== 'time') return []
      const verdict = judge(entry, policy, { now, maxStaleMs: cache.maxStaleMs, contentHash: undefined })
      return verdict === 'useless' ? [] : [[ref.text, `in the cache for ${span(now - entry.fetchedAt)}, ${verdict}`]]
    }),
  )
}

/** What the cache has. Nothing is made or changed; none if it can't be read. */
export async function peekValues(world: World): Promise<Values> {
  try {
    const where = places(world)
    const identity = await readIdentity(world, where)
    if (identity === undefined) return new Map()
    const reading = await readValues(world, where, identity)
    return reading.kind === 'values' ? reading.values : new Map()
  } catch {
    return new Map()
  }
}
