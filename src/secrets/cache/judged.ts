import type { Settings } from '../../registry/entry.ts'
import type { World } from '../../world.ts'
import { contentHash } from './content-hash.ts'
import { judge, type Verdict } from './freshness.ts'
import type { Policy, Wanted } from './policy.ts'
import type { CachedValue, Values } from './values.ts'

/** A reference with what the cache has of it, and what that is worth now. */
export interface Judged {
  readonly item: Wanted
  readonly entry: CachedValue | undefined
  readonly verdict: Verdict
  /** Of the file that it is in, as it is now. */
  readonly contentHash: string | undefined
}

/** Each file is read once, however many references are into it. */
export function judgeAll(
  world: World,
  { maxStaleMs }: Settings['cache'],
  wanted: readonly Wanted[],
  values: Values,
): Judged[] {
  const hashes = new Map<string, string | undefined>()
  const hashOf = (policy: Policy): string | undefined => {
    if (policy.kind !== 'content') return undefined
    if (!hashes.has(policy.file)) hashes.set(policy.file, contentHash(world, policy))
    return hashes.get(policy.file)
  }
  return wanted.map((item) => {
    const entry = values.get(item.key)
    const hash = hashOf(item.policy)
    const verdict = judge(entry, item.policy, { now: world.now(), maxStaleMs, contentHash: hash })
    return { item, entry, contentHash: hash, verdict }
  })
}
