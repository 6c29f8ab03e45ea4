import type { LaunchError } from '../../errors.ts'
import { type Refusal, SourceError } from '../source.ts'
import type { Block } from './meta.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

/**
 * How long what was refused is not asked for again, by the first time and the longest. A client that restarts a
 * failing server a thousand times in that time costs one request.
 */
const TIMES: Readonly<Record<Refusal | 'failure', readonly [firstMs: number, longestMs: number]>> = {
  'said-no': [15 * MINUTE, 15 * MINUTE],
  'token-rejected': [HOUR, HOUR],
  'token-malformed': [HOUR, HOUR],
  // 1Password counts by the hour and by the day, and failed requests too; it doesn't say when it begins anew.
  'rate-limited': [15 * MINUTE, 12 * HOUR],
  unavailable: [MINUTE, 15 * MINUTE],
  failure: [MINUTE, 15 * MINUTE],
  'not-asked': [0, 0],
}

export function refusalOf(error: LaunchError): Refusal | 'failure' {
  if (error instanceof SourceError) return error.refusal
  return error.code === 'unavailable' ? 'unavailable' : 'failure'
}

/** The block after one more refusal: each in a row doubles the time. */
export function blockAfter(previous: Block | undefined, error: LaunchError, now: number, tokenPrint?: string): Block {
  const refusal = refusalOf(error)
  const isRepeated = previous?.refusal === refusal
  const failures = isRepeated ? previous.failures + 1 : 1
  const [firstMs, longestMs] = TIMES[refusal]
  return {
    refusal,
    message: error.message,
    ...(error.detail === undefined ? {} : { detail: error.detail }),
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    since: isRepeated ? previous.since : now,
    at: now,
    until: now + Math.min(firstMs * 2 ** (failures - 1), longestMs),
    failures,
    ...(tokenPrint === undefined ? {} : { tokenPrint }),
  }
}

/**
 * Whether it still holds: its time hasn't passed and it wasn't another token's. A block that reaches further than it
 * can was made before the clock was set back, and doesn't hold.
 */
export function isBlocked(block: Block | undefined, now: number, tokenPrint?: string): block is Block {
  if (block === undefined || now >= block.until) return false
  if (block.tokenPrint !== undefined && tokenPrint !== undefined && block.tokenPrint !== tokenPrint) return false
  return Object.hasOwn(TIMES, block.refusal) && block.until - now <= TIMES[block.refusal][1]
}
