import { LaunchError } from '../../errors.ts'
import { runningLaunches } from '../../lifecycle/launches.ts'
import { isSuperseded } from '../../lifecycle/superseded.ts'
import { type StatusRow, statusText } from '../../report/status.ts'
import { isBlocked } from '../../secrets/cache/cooldown.ts'
import { judge } from '../../secrets/cache/freshness.ts'
import type { Meta } from '../../secrets/cache/meta.ts'
import type { Wanted } from '../../secrets/cache/policy.ts'
import { standingRefusal } from '../../secrets/cache/standing.ts'
import { openStore } from '../../secrets/cache/store.ts'
import type { CachedValue } from '../../secrets/cache/values.ts'
import { allWanted, specsOf } from '../../secrets/open.ts'
import type { World } from '../../world.ts'
import { select } from './selection.ts'

/**
 * `mcp-launch secrets status [server…]`: for each secret of each server what the cache has, how old it is, what its
 * source last said, and which running servers were started with a value that has changed since.
 *
 * @returns 0 if all is well, else 1.
 */
export async function status(
  world: World,
  names: readonly string[],
  options: { readonly registry?: string; readonly json?: boolean },
): Promise<number> {
  const { context, servers } = select(world, names, options.registry)
  const store = await openStore(world, () => {})
  if (store instanceof LaunchError) throw store
  const [values, meta] = [await store.readValues(), store.readMeta()]
  const running = runningLaunches(world)
  const rows = servers.flatMap((server) =>
    specsOf(server).map(([name, spec]): StatusRow => {
      const [item] = allWanted(world, context, [spec]) as [Wanted]
      const entry = values.get(item.key)
      return {
        server: server.name,
        name,
        from: spec.from.text,
        ...facts(world, item, entry, meta, context.settings.cache.maxStaleMs, fileHash(world, item)),
        superseded: running
          .filter((one) => one.server === server.name && isSuperseded(entry, one.since))
          .map(({ pid }) => pid),
      }
    }),
  )
  world.terminal.writeOut(
    options.json ? `${JSON.stringify({ secrets: rows }, null, 2)}\n` : statusText(rows, world.now()),
  )
  return rows.every(
    ({ state, error, superseded }) => state !== 'missing' && error === undefined && superseded.length === 0,
  )
    ? 0
    : 1
}

function facts(
  world: World,
  item: Wanted,
  entry: CachedValue | undefined,
  meta: Meta,
  maxStaleMs: number,
  contentHash: string | undefined,
): Pick<StatusRow, 'state' | 'fetchedAt' | 'expiresAt' | 'error' | 'blockedUntil'> {
  const { policy } = item
  if (policy.kind === 'never') return { state: 'not cached' }
  const now = world.now()
  const verdict = judge(entry, policy, { now, maxStaleMs, contentHash })
  const block = standingRefusal(meta, item, now)
  const state = verdict === 'useless' ? (policy.kind === 'content' ? 'not cached yet' : 'missing') : verdict
  return {
    state,
    ...(entry === undefined || verdict === 'useless' ? {} : { fetchedAt: entry.fetchedAt }),
    ...(entry === undefined || !Number.isFinite(policy.ttlMs) ? {} : { expiresAt: entry.fetchedAt + policy.ttlMs }),
    ...(block === undefined ? {} : { error: block.message }),
    // A file is asked at every launch.
    ...(policy.kind === 'time' && isBlocked(block, now) ? { blockedUntil: block.until } : {}),
  }
}

function fileHash(world: World, { policy }: Wanted): string | undefined {
  try {
    return policy.kind === 'content' ? world.sha256(world.files.read(policy.file)) : undefined
  } catch {
    return undefined
  }
}
