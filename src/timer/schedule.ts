import { RENEW_AFTER } from '../secrets/cache/freshness.ts'
import type { Policy } from '../secrets/cache/policy.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

/** Whole parts of an hour and of a day: a calendar and a crontab know no others. */
const STEPS_MS = [
  ...[5, 10, 15, 20, 30].map((minutes) => minutes * MINUTE),
  ...[1, 2, 3, 4, 6, 8, 12, 24].map((hours) => hours * HOUR),
]

const WIDEST_SPREAD_MS = 5 * MINUTE

/** When the cache is refreshed. */
export interface Schedule {
  /** Milliseconds from one run to the next: one of {@link STEPS_MS}. */
  readonly stepMs: number
  /** A run comes up to this much later, so that not everybody asks at the full hour. */
  readonly spreadMs: number
  /** Values live shorter than any timer's step: between two runs they expire. */
  readonly isTooSlow: boolean
}

/**
 * The schedule for these values and those of `cache.ttl`, which another secret may have. What lives too short for any
 * timer doesn't make this one run more often.
 *
 * @returns also how long the value lives that lives shortest, in milliseconds.
 */
export function scheduleForAll(
  ttlMs: number,
  items: readonly { readonly policy: Policy }[],
): { readonly schedule: Schedule; readonly shortestMs: number } {
  const own = items.flatMap(({ policy }) => (policy.kind === 'never' || policy.ttlMs === 0 ? [] : [policy.ttlMs]))
  const served = own.filter((lifetimeMs) => !scheduleFor(lifetimeMs).isTooSlow)
  return { schedule: scheduleFor(Math.min(ttlMs, ...served)), shortestMs: Math.min(ttlMs, ...own) }
}

/**
 * The longest step that renews values before a launch would have to: every `ttl` itself would be too late by the spread
 * and by the time that the fetch takes. 4 h gives every 3 h, 1 h every 30 min; more than a day is never needed.
 */
export function scheduleFor(ttlMs: number): Schedule {
  const [shortest = 0] = STEPS_MS
  const stepMs = STEPS_MS.findLast((step) => step <= ttlMs * RENEW_AFTER) ?? shortest
  const room = ttlMs > stepMs ? (ttlMs - stepMs) / 2 : Number.POSITIVE_INFINITY
  const spreadMs = Math.floor(Math.min(WIDEST_SPREAD_MS, room, stepMs / 4) / 1000) * 1000
  return { stepMs, spreadMs, isTooSlow: stepMs + spreadMs >= ttlMs }
}

/** As systemd's `OnCalendar=` (systemd.time(7)). */
export function calendar({ stepMs }: Schedule): string {
  if (stepMs < HOUR) return `*-*-* *:00/${stepMs / MINUTE}:00`
  return stepMs === 24 * HOUR ? '*-*-* 00:00:00' : `*-*-* 00/${stepMs / HOUR}:00:00`
}

/** The five fields of crontab(5), begun `offset` minutes (any whole number) into the step, for the spread. */
export function crontabFields({ stepMs }: Schedule, offset: number): string {
  const [minutes, hours] = [stepMs / MINUTE, stepMs / HOUR]
  if (minutes < 60) return `${offset % minutes}-59/${minutes} * * * *`
  if (hours === 1) return `${offset % 60} * * * *`
  const hour = Math.floor(offset / 60) % hours
  return hours === 24 ? `${offset % 60} ${hour} * * *` : `${offset % 60} ${hour}-23/${hours} * * *`
}
