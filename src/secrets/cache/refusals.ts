import { LaunchError } from '../../errors.ts'
import type { World } from '../../world.ts'
import { SourceError } from '../source.ts'
import { askerOf } from './asker.ts'
import type { Block, Meta } from './meta.ts'
import type { Wanted } from './policy.ts'
import { blocksFor, holding } from './standing.ts'

/** What was refused a short while ago and is not to be asked for now, by {@link Wanted.key}. */
export async function refusals(
  world: World,
  meta: Meta,
  items: readonly Wanted[],
  tokenPrint: () => Promise<string | undefined>,
): Promise<Map<string, LaunchError>> {
  const now = world.now()
  const asker = askerOf(world)
  const refused = new Map<string, LaunchError>()
  for (const item of items) {
    const block = await holding(blocksFor(asker, meta, item), now, tokenPrint)
    if (block !== undefined) refused.set(item.key, stillRefused(block, now))
  }
  return refused
}

/** The refusal as it was said, with the time until it is asked again. */
export function stillRefused(block: Block, now: number): LaunchError {
  const seconds = Math.ceil((block.until - now) / 1000)
  return errorOf(block, `; not asked again for ${seconds} s (mcp-launch secrets refresh asks now)`)
}

/** The refusal as it was said. */
export function errorOf({ message, detail, hint, refusal }: Block, more = ''): LaunchError {
  const said = detail === undefined ? { what: `${message}${more}` } : { what: message, detail: `${detail}${more}` }
  const fault = { ...said, ...(hint === undefined ? {} : { hint }) }
  return refusal === 'failure' ? new LaunchError('failure', fault) : new SourceError(refusal, fault)
}
