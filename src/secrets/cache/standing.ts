import { isBlocked } from './cooldown.ts'
import type { Block, Meta } from './meta.ts'
import type { Wanted } from './policy.ts'

type Named = Pick<Wanted, 'key' | 'source'>

/** What was refused of this reference, and of all that its source is asked for; some of it may have passed. */
export function blocksOf({ refs, sources }: Meta, { key, source }: Named): Block[] {
  const blocks = [refs[key]?.error, source === undefined ? undefined : sources[source]]
  return blocks.filter((block) => block !== undefined)
}

/** What a person is told of it: what keeps it from being asked for, else what was said last. */
export function standingRefusal(meta: Meta, item: Named, now: number): Block | undefined {
  const blocks = blocksOf(meta, item)
  return blocks.find((block) => isBlocked(block, now)) ?? blocks[0]
}
