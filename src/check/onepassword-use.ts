import type { ServerEntry } from '../registry/entry.ts'
import { RENEW_AFTER } from '../secrets/cache/freshness.ts'
import type { Wanted } from '../secrets/cache/policy.ts'
import { allWanted, type Context, specsOf } from '../secrets/open.ts'
import { isOnePassword } from '../secrets/ref.ts'
import type { World } from '../world.ts'
import { count, type Finding } from './finding.ts'

const DAY_MS = 24 * 60 * 60 * 1000

/**
 * Reads a day per account: personal and families 1,000, Teams 5,000, Business 50,000; and an hour per token 1,000 or,
 * with Business, 10,000. https://developer.1password.com/docs/service-accounts/rate-limits/
 */
const SMALLEST_PLAN = 1_000
const PLANS = 'plans allow 1,000 (personal, families), 5,000 (teams) or 50,000 (business) a day'

/**
 * How much of 1Password's daily limit the servers can use up at most. One request asks for all references, each of
 * which may count; a restart finds them in the cache. Undefined if 1Password isn't used.
 */
export function onepasswordUse(
  world: World,
  context: Context,
  servers: readonly ServerEntry[],
): Omit<Finding, 'area'> | undefined {
  const specs = servers.flatMap((server) => specsOf(server).map(([, spec]) => spec))
  const wanted = allWanted(world, context, specs).filter(({ ref }) => isOnePassword(ref))
  if (wanted.length === 0) return undefined
  const cached = wanted.flatMap((item) => (item.policy.kind === 'time' ? refreshes(item.policy.ttlMs) : []))
  const reads = cached.reduce((sum, times) => sum + times, 0)
  const uncached = wanted.filter(({ policy }) => policy.kind === 'never')
  const requests = requestsOf(wanted)
  const parts = [
    `at most ${count(requests, 'request')} a day for ${count(cached.length, 'reference')} (${count(reads, 'read')}), and none for restarts`,
    ...(uncached.length === 0 ? [] : [`one more at every start for ${uncached.map(({ ref }) => ref.text).join(', ')}`]),
    PLANS,
    "what is left is unknown: 1password doesn't tell",
  ]
  const isMuch = reads > SMALLEST_PLAN
  return {
    severity: isMuch ? 'warning' : 'note',
    subject: '1password',
    what: 'use of',
    why: parts.join('; '),
    action: isMuch ? 'raise "ttl" under "cache" in the registry' : 'see what is left: op service-account ratelimit',
  }
}

/** All references of one time to live are one request; each Environment is one of its own. */
function requestsOf(wanted: readonly Wanted[]): number {
  const together = new Set(
    wanted.flatMap(({ ref, policy }) => (ref.kind === 'op' && policy.kind === 'time' ? policy.ttlMs : [])),
  )
  const alone = wanted.flatMap(({ ref, policy }) =>
    ref.kind === 'op-env' && policy.kind === 'time' ? policy.ttlMs : [],
  )
  return [...together, ...alone].reduce((sum, ttlMs) => sum + refreshes(ttlMs), 0)
}

function refreshes(ttlMs: number): number {
  return Math.ceil(DAY_MS / Math.max(1, ttlMs * RENEW_AFTER))
}
