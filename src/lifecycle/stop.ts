import type { World } from '../world.ts'
import type { ManagerHost } from './manager.ts'
import { type Look, lookAround, type RunningServer } from './servers.ts'
import { DEFAULT_STOP_TIMEOUT_MS, stopTree } from './stop-tree.ts'

export interface StopResult {
  readonly server: RunningServer
  readonly isGone: boolean
  /** Why it isn't gone. */
  readonly why: string | undefined
}

/** What systemd may take beside the time that it gives a server. */
const SYSTEMD_MS = 10_000

/**
 * Stops servers, all at the same time, and waits until they are gone. A scope is stopped by systemd: SIGTERM to all
 * that is in it, and SIGKILL to what is left after the server's `stopTimeout`. A server without a scope gets the same
 * two signals, with what it has started.
 */
export async function stopServers(
  world: World,
  host: ManagerHost,
  { systemctl }: Look,
  servers: readonly RunningServer[],
): Promise<StopResult[]> {
  const scoped = servers.filter(({ unit }) => unit !== undefined)
  const bare = servers.filter(({ unit }) => unit === undefined)
  const longest = Math.max(0, ...scoped.map(({ stopTimeoutMs }) => stopTimeoutMs ?? DEFAULT_STOP_TIMEOUT_MS))
  const units = scoped.flatMap(({ unit }) => unit ?? [])
  const stopUnits = async (): Promise<string | undefined> => {
    if (units.length === 0) return undefined
    const answer = await systemctl?.(['stop', '--', ...units], 2 * longest + SYSTEMD_MS)
    return answer?.complaint
  }
  const trees = bare.map(async (server) => {
    return (await stopTree(world, { pid: server.pid, start: server.start ?? 0 })) ? [] : [server]
  })
  const [complaint, bareLeft] = await Promise.all([stopUnits(), Promise.all(trees)])
  const left = [...bareLeft.flat(), ...(scoped.length === 0 ? [] : (await lookAround(world, host)).servers)]
  return servers.map((server) => {
    const isGone = !left.some((one) => isSame(one, server))
    return { server, isGone, why: isGone ? undefined : (server.unit && complaint) || 'it still runs' }
  })
}

function isSame(left: RunningServer, server: RunningServer): boolean {
  return left.unit === server.unit && left.pid === server.pid && (left.start ?? server.start) === server.start
}
