import { errnoWords, LaunchError } from '../errors.ts'
import type { World } from '../world.ts'
import { claimOf } from './earlier-servers.ts'
import type { ManagerHost, Systemctl } from './manager.ts'
import { ProcessTable } from './processes.ts'
import { isClientAlive, lookAround } from './servers.ts'
import { type StaleFile, staleFiles } from './stale-files.ts'
import { stopServers } from './stop.ts'
import type { ClientUnit } from './units.ts'

/** One thing that `gc` did, or would do. */
export interface Cleaning {
  readonly verb: 'stop' | 'remove'
  /** A unit, a server without one, or a path. */
  readonly subject: string
  readonly why: string
  /** Undefined if it was only asked for (`--dry-run`). */
  readonly done: boolean | undefined
  /** Why it could not be done. */
  readonly failure?: string
}

export interface Cleaned {
  readonly cleanings: readonly Cleaning[]
  readonly notes: readonly string[]
}

const WATCH_STOP_MS = 30_000

/** Stops what earlier servers of a client that lives have left and nobody is served by; nothing else. */
export async function stopLeftoversOf(world: World, host: ManagerHost, client: number): Promise<void> {
  const claim = host.runtimeDirectory === undefined ? undefined : claimOf(world, host.runtimeDirectory, client)
  try {
    const look = await lookAround(world, host)
    const left = look.servers.filter((server) => server.state === 'orphaned' && server.client?.pid === client)
    await stopServers(world, host, look, left)
  } finally {
    if (claim !== undefined) world.files.remove(claim)
  }
}

/**
 * Stops every server that has lost its client, or of which only leftovers remain, and every watch whose client has
 * ended; then removes what they left in the runtime directory, and drafts in the cache that nobody finishes. A server
 * of which no process can be seen from here is let alone, and so is everything that only looks like ours.
 */
export async function collectGarbage(
  world: World,
  host: ManagerHost,
  { dryRun }: { readonly dryRun: boolean },
): Promise<Cleaned> {
  const look = await lookAround(world, host)
  const orphans = look.servers.filter(({ state }) => state === 'orphaned')
  const stopped = dryRun ? [] : await stopServers(world, host, look, orphans)
  const servers = orphans.map((server, index): Cleaning => {
    const result = stopped[index]
    return {
      verb: 'stop',
      subject: server.unit ?? `${server.server} (pid ${server.pid})`,
      why: server.why ?? '',
      done: result?.isGone,
      ...(result?.why === undefined ? {} : { failure: result.why }),
    }
  })
  // Where the watch itself can't be seen (another pid namespace) neither can its client.
  const table = new ProcessTable(world)
  const watches = look.clients.filter(
    ({ client, cgroup }) => !isClientAlive(world, client) && table.inCgroup(cgroup).length > 0,
  )
  const clients = await Promise.all(watches.map((watch) => stopWatch(look.systemctl, watch, dryRun)))
  const stale = staleOrWhy(world, host)
  const files = stale.files.map(({ path, why }): Cleaning => {
    return { verb: 'remove', subject: path, why, ...(dryRun ? { done: undefined } : remove(world, path)) }
  })
  return { cleanings: [...servers, ...clients, ...files], notes: [...look.notes, ...stale.notes] }
}

/** Servers are stopped all the same where files can't be looked for. */
function staleOrWhy(world: World, { runtimeDirectory }: ManagerHost): { files: StaleFile[]; notes: string[] } {
  try {
    return { files: staleFiles(world, runtimeDirectory), notes: [] }
  } catch (error) {
    if (error instanceof LaunchError) return { files: [], notes: [`stale files can't be looked for: ${error.message}`] }
    throw error
  }
}

async function stopWatch(
  systemctl: Systemctl | undefined,
  { unit, client }: ClientUnit,
  dryRun: boolean,
): Promise<Cleaning> {
  const cleaning = { verb: 'stop', subject: unit, why: `its client (pid ${client.pid}) has ended` } as const
  if (dryRun || systemctl === undefined) return { ...cleaning, done: undefined }
  // One that has ended meanwhile is not loaded any more: status 5.
  const { ok, complaint } = await systemctl(['stop', '--', unit], WATCH_STOP_MS)
  const isDone = ok || complaint.includes('not loaded')
  return { ...cleaning, done: isDone, ...(isDone ? {} : { failure: complaint }) }
}

function remove(world: World, path: string): { readonly done: boolean; readonly failure?: string } {
  try {
    world.files.remove(path)
    return { done: true }
  } catch (error) {
    return { done: false, failure: errnoWords(error) }
  }
}
