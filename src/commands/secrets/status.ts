import { EXIT, errnoWords } from '../../errors.ts'
import { runningLaunches, whyUnseen } from '../../lifecycle/launches.ts'
import { isSuperseded } from '../../lifecycle/superseded.ts'
import { noteText } from '../../report/messages.ts'
import { type StatusRow, statusText } from '../../report/status.ts'
import { contentHash } from '../../secrets/cache/content-hash.ts'
import { isBlocked } from '../../secrets/cache/cooldown.ts'
import { judge } from '../../secrets/cache/freshness.ts'
import type { Block } from '../../secrets/cache/meta.ts'
import { type Peek, peekCache } from '../../secrets/cache/peek.ts'
import type { Policy, Wanted } from '../../secrets/cache/policy.ts'
import { standingRefusal } from '../../secrets/cache/standing.ts'
import { allWanted, specsOf } from '../../secrets/open.ts'
import type { World } from '../../world.ts'
import { select } from './selection.ts'

/**
 * `mcp-launch secrets status [server…]`: for each secret of each server what the cache has, how old it is, what its
 * source last said, and which running servers were started with a value that has changed since. Nothing is asked, made
 * or changed.
 *
 * @returns 0 if all is well, else 1.
 */
export async function status(
  world: World,
  names: readonly string[],
  options: { readonly registry?: string; readonly json?: boolean },
): Promise<number> {
  const { context, servers } = select(world, names, options.registry)
  const cache = await peekCache(world)
  const running = runningLaunches(world)
  const rows = servers.flatMap((server) =>
    specsOf(server).map(([name, spec]): StatusRow => {
      const [item] = allWanted(world, context, [spec]) as [Wanted]
      const entry = cache.values.get(item.key)
      const hash = contentHash(world, item.policy)
      return {
        server: server.name,
        name,
        from: spec.from.text,
        ...facts(world, item, cache, context.settings.cache.maxStaleMs, hash),
        superseded: running
          .filter((launch) => launch.server === server.name && isSuperseded(item, entry, hash, launch))
          .map(({ pid }) => pid),
      }
    }),
  )
  const { problem } = cache
  const unseen = whyUnseen(world)
  if (unseen !== undefined) world.terminal.writeError(noteText(unseen))
  const data = { secrets: rows, ...(problem === undefined ? {} : { problem }) }
  world.terminal.writeOut(options.json ? `${JSON.stringify(data, null, 2)}\n` : statusText(rows, world.now(), problem))
  return problem === undefined && rows.every(isWell) ? 0 : EXIT.failure
}

function isWell({ state, error, superseded }: StatusRow): boolean {
  return state !== 'missing' && error === undefined && superseded.length === 0
}

function facts(
  world: World,
  item: Wanted,
  { values, meta }: Peek,
  maxStaleMs: number,
  hash: string | undefined,
): Pick<StatusRow, 'state' | 'fetchedAt' | 'expiresAt' | 'error' | 'blockedUntil'> {
  const { key, policy } = item
  if (policy.kind === 'never') return { state: 'not cached' }
  const now = world.now()
  const entry = values.get(key)
  const verdict = judge(entry, policy, { now, maxStaleMs, contentHash: hash })
  const block = standingRefusal(meta, item, now)
  const error = (hash === undefined ? whyUnread(world, policy) : undefined) ?? (block && saidIn(block))
  const state = verdict === 'useless' ? (policy.kind === 'content' ? 'not cached yet' : 'missing') : verdict
  return {
    state,
    ...(entry === undefined || verdict === 'useless' ? {} : { fetchedAt: entry.fetchedAt }),
    ...(entry === undefined || !Number.isFinite(policy.ttlMs) ? {} : { expiresAt: entry.fetchedAt + policy.ttlMs }),
    ...(error === undefined ? {} : { error }),
    // A file is asked at every launch.
    ...(policy.kind === 'time' && isBlocked(block, now) ? { blockedUntil: block.until } : {}),
  }
}

function saidIn({ message, detail }: Block): string {
  return detail === undefined ? message : `${message}: ${detail}`
}

/** What a launch would fail with, whatever the cache has. */
function whyUnread(world: World, policy: Policy): string | undefined {
  if (policy.kind !== 'content') return undefined
  try {
    world.files.read(policy.file)
    return undefined
  } catch (error) {
    return `can't read "${policy.file}": ${errnoWords(error)}`
  }
}
