import { dirname } from 'node:path'
import { proc } from '../proc.ts'
import type { World } from '../world.ts'
import type { RunningServer } from './servers.ts'

/** For each server, the work it had done at a look, and the first look, in milliseconds since boot, that saw no other. */
type Looks = Readonly<Record<string, readonly [work: string, since: number]>>

const IDLE_MS = 600_000

/**
 * Says of each server how long, at least, nothing of it was on a CPU: since the first of the earlier looks at which it
 * had done the same work as now. The kernel's own times of that can't be compared: each CPU has its own clock. A look is
 * noted in the runtime directory; where that can't be, or the kernel doesn't count, nothing is said.
 */
export function withIdleTimes(
  world: World,
  runtimeDirectory: string | undefined,
  servers: readonly RunningServer[],
): RunningServer[] {
  const now = Math.round(Number.parseFloat(proc(world, 'uptime')) * 1000)
  if (runtimeDirectory === undefined || Number.isNaN(now)) return [...servers]
  const path = `${runtimeDirectory}/mcp-launch/looks.json`
  const earlier = read(world, path)
  const looks = servers.flatMap((server) => {
    if (server.work === undefined) return []
    const [work, since = now] = earlier[keyOf(server)] ?? []
    const isSame = work === server.work && since <= now
    return [[keyOf(server), [server.work, isSame ? since : now]] as const]
  })
  const current: Looks = Object.fromEntries(looks)
  write(world, path, current)
  return servers.map((server) => {
    const since = current[keyOf(server)]?.[1]
    if (since === undefined) return server
    const idleMs = now - since
    return { ...server, idleMs, state: server.state === 'serving' && idleMs >= IDLE_MS ? 'idle' : server.state }
  })
}

function keyOf({ server, pid, start }: RunningServer): string {
  return `${server} ${pid} ${start ?? ''}`
}

function read(world: World, path: string): Looks {
  try {
    return JSON.parse(world.files.read(path).toString()) as Looks
  } catch {
    return {}
  }
}

function write(world: World, path: string, looks: Looks): void {
  try {
    world.files.makeDirectory(dirname(path))
    world.files.writeWhole(path, JSON.stringify(looks))
  } catch {
    // A full or read-only disk: what was noted before stays true.
  }
}
