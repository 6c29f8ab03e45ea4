import type { World } from '../world.ts'
import { isRunning } from './launches.ts'
import type { ManagerHost } from './manager.ts'
import { type Look, lookAround, type RunningServer } from './servers.ts'

export interface StopResult {
  readonly server: RunningServer
  readonly isGone: boolean
  /** Why it isn't gone. */
  readonly why: string | undefined
}

/** What `stopTimeout` is by default (registry). */
const DEFAULT_STOP_TIMEOUT_MS = 5_000
/** What systemd may take beside the time that it gives a server. */
const SYSTEMD_MS = 10_000
const KILL_WAIT_MS = 2_000
const POLL_MS = 20
const CALL_LIMIT_MS = 5_000

/**
 * Stops servers, all at the same time, and waits until they are gone. A scope is stopped by systemd: SIGTERM to all
 * that is in it, and SIGKILL to what is left after the server's `stopTimeout`. A server without a scope gets the same
 * two signals, it alone; that it is still the process of the audit log is looked at before each.
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
  const [complaint] = await Promise.all([stopUnits(), ...bare.map((server) => stopProcess(world, server))])
  const after = await lookAround(world, host)
  return servers.map((server) => {
    const isGone = !after.servers.some((left) => isSame(left, server))
    return { server, isGone, why: isGone ? undefined : complaint || 'it still runs' }
  })
}

function isSame(left: RunningServer, server: RunningServer): boolean {
  return left.unit === server.unit && left.pid === server.pid && (left.start ?? server.start) === server.start
}

async function stopProcess(world: World, server: RunningServer): Promise<void> {
  const steps = [
    ['TERM', DEFAULT_STOP_TIMEOUT_MS],
    ['KILL', KILL_WAIT_MS],
  ] as const
  for (const [signal, waitMs] of steps) {
    if (!runs(world, server)) return
    await sendSignal(world, server.pid, signal)
    const limit = world.now() + waitMs
    while (runs(world, server) && world.now() < limit) await world.sleep(POLL_MS)
  }
}

function runs(world: World, { pid, start }: RunningServer): boolean {
  return isRunning(world, { pid, start: start ?? 0 })
}

/** A process that is suspended sees no SIGTERM until it is continued. */
async function sendSignal(world: World, pid: number, signal: 'TERM' | 'KILL'): Promise<void> {
  await world.processes.run({
    file: '/bin/sh',
    args: ['-c', 'kill -s "$1" "$2" && kill -s CONT "$2"', 'sh', signal, String(pid)],
    env: {},
    cwd: '/',
    timeoutMs: CALL_LIMIT_MS,
  })
}
