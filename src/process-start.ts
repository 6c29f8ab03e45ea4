import { hasEnded, statOf } from './proc.ts'
import type { World } from './world.ts'

/**
 * When a process started, in clock ticks since boot: field 22 of `/proc/PID/stat` (proc(5)). A pid and its start are
 * one process until the next boot. Undefined if there is no such process; 0 where there is no `/proc` and it is only
 * known to live.
 */
export function processStart(world: World, pid: number): number | undefined {
  if (world.platform !== 'linux') return world.processes.isAlive(pid) ? 0 : undefined
  const stat = statOf(world, pid)
  return stat === undefined || hasEnded(stat) ? undefined : stat.start
}
