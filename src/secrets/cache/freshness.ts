import type { Policy } from './policy.ts'

/**
 * - `fresh`: to be used; `renew`: to be used, and to be fetched anew behind the launch;
 * - `stale`: to be used only if the source is unavailable; `useless`: never to be used.
 */
export type Verdict = 'fresh' | 'renew' | 'stale' | 'useless'

export interface Dated {
  /** Milliseconds since the epoch. */
  readonly fetchedAt: number
  /** SHA-256 of the file it came from. */
  readonly contentHash?: string
  /** Its source has withdrawn the access to it: not to be used beyond its time. */
  readonly isWithdrawn?: boolean
}

/** The share of a value's time after which it is renewed, before anybody has to wait for it. */
export const RENEW_AFTER = 0.75

/**
 * A clock that was set back by more than this makes a value's age unknown: it is no longer fresh, and it is useless if
 * its time lies further ahead than it may lie back.
 */
const CLOCK_TOLERANCE_MS = 5 * 60_000

/** What a cached value is worth now. `contentHash` is the file's, for a policy of content; undefined if it is gone. */
export function judge(
  entry: Dated | undefined,
  policy: Policy,
  at: { readonly now: number; readonly maxStaleMs: number; readonly contentHash: string | undefined },
): Verdict {
  if (entry === undefined || policy.kind === 'never') return 'useless'
  if (policy.kind === 'content' && (entry.contentHash === undefined || entry.contentHash !== at.contentHash)) {
    return 'useless'
  }
  const age = at.now - entry.fetchedAt
  const isKnown = age >= -CLOCK_TOLERANCE_MS
  if (isKnown && age < policy.ttlMs * RENEW_AFTER) return 'fresh'
  if (isKnown && age < policy.ttlMs) return policy.kind === 'content' ? 'fresh' : 'renew'
  const mayBeStale = policy.kind === 'time' && !entry.isWithdrawn
  return mayBeStale && Math.abs(age) <= at.maxStaleMs ? 'stale' : 'useless'
}
