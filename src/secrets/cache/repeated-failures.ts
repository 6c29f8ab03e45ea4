import { span } from '../../span.ts'
import { refName } from '../ref.ts'
import type { Block, Meta } from './meta.ts'
import type { Wanted } from './policy.ts'
import { lastRefusal } from './standing.ts'

/** A reference whose last refreshes failed. */
export interface Failing {
  readonly ref: string
  /** In a row. */
  readonly failures: number
  readonly message: string
  /** Milliseconds since the epoch. */
  readonly since: number
}

/** Once may be chance. */
const REPEATED = 2

type Named = Pick<Wanted, 'ref' | 'key' | 'source'>

/** Of these references, those that failed when they were last asked for; what failed most often comes first. */
export function failing(meta: Meta, refs: readonly Named[]): Failing[] {
  return failed(meta, refs).map(({ ref, failures, message, since }) => ({ ref: ref.text, failures, message, since }))
}

/**
 * One remark, for stderr, if refreshes of references that a server uses fail again and again behind the launches, which
 * go on with the values of the cache and would not notice until these are too old. Undefined if none does.
 *
 * @param now milliseconds since the epoch.
 */
export function repeatedFailures(meta: Meta, refs: readonly Named[], now: number): string | undefined {
  const [worst, ...others] = failed(meta, refs).filter(({ failures }) => failures >= REPEATED)
  if (worst === undefined) return undefined
  const { failures, ref, message, since } = worst
  const more = others.length === 0 ? '' : ` (and of ${others.length} more)`
  return `the last ${failures} refreshes of ${refName(ref)}${more} failed, for ${span(now - since)} now: ${message}`
}

function failed(meta: Meta, refs: readonly Named[]): (Block & Pick<Named, 'ref'>)[] {
  return refs
    .flatMap((item) => {
      const block = lastRefusal(meta, item)
      return block === undefined ? [] : [{ ...block, ref: item.ref }]
    })
    .sort((one, other) => other.failures - one.failures)
}
