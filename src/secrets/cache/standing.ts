import { isBlocked } from './cooldown.ts'
import type { Block, Meta, RefState } from './meta.ts'
import type { Wanted } from './policy.ts'

type Named = Pick<Wanted, 'key' | 'source'>

/** What concerns this asker of a reference: what went wrong here, and what the reference or its source refused. */
export function blocksFor(asker: string, meta: Meta, item: Named): Block[] {
  const here = meta.refs[item.key]?.errors?.[asker]
  return [here, meta.refs[item.key]?.error, ofSource(meta, item)].filter((block) => block !== undefined)
}

/**
 * The first of them that holds. The token is looked at only where it matters, and is the block's if it can't be told.
 *
 * @param now milliseconds since the epoch.
 */
export async function holding(
  blocks: readonly Block[],
  now: number,
  tokenPrint: () => Promise<string | undefined>,
): Promise<Block | undefined> {
  const timed = blocks.filter((block) => isBlocked(block, now))
  const print = timed.some((block) => block.tokenPrint !== undefined) ? await tokenPrint() : undefined
  return timed.find((block) => isBlocked(block, now, print))
}

/** What the reference's last question came to for this asker, if it was no value. */
export function errorFor(asker: string, state: RefState | undefined): Block | undefined {
  return latest([state?.errors?.[asker], state?.error])
}

/** What a person is told of a reference: what keeps anybody from asking for it, else what was said last. */
export function standingRefusal(meta: Meta, item: Named, now: number): Block | undefined {
  const said = lastRefusal(meta, item)
  return [said, ofSource(meta, item)].find((block) => isBlocked(block, now)) ?? said
}

/** What was said last of a reference, to anybody, or else of its source. */
export function lastRefusal(meta: Meta, item: Named): Block | undefined {
  const { error, errors } = meta.refs[item.key] ?? {}
  return latest([error, ...Object.values(errors ?? {})]) ?? ofSource(meta, item)
}

function ofSource({ sources }: Meta, { source }: Named): Block | undefined {
  return source === undefined ? undefined : sources[source]
}

function latest(blocks: readonly (Block | undefined)[]): Block | undefined {
  return blocks.filter((block) => block !== undefined).toSorted((one, other) => other.at - one.at)[0]
}
