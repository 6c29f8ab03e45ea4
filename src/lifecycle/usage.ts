import type { World } from '../world.ts'
import { limitsOf } from './cgroup-limits.ts'
import { memoryOf, type Process } from './processes.ts'
import type { ServerUnit } from './units.ts'

/** Of a server and all that it started. */
export interface Usage {
  readonly used: number
  /** The smallest limit that binds it: its own, or one of a slice above it, which it shares. */
  readonly max: number | undefined
  /** Who counted: systemd by the cgroup, or we, process by process, where the cgroup has no such controller. */
  readonly from: 'cgroup' | 'processes'
}

/** @param unit the scope that these processes are in. */
export function usageOf(
  world: World,
  processes: readonly Process[],
  unit: ServerUnit | undefined,
): { readonly memory: Usage; readonly tasks: Usage } {
  const [one] = processes
  // A server without a scope shares its cgroup with its client.
  const above = unit === undefined || one === undefined ? undefined : limitsOf(world, one.pid)
  const threads = (): number => processes.reduce((sum, each) => sum + each.threads, 0)
  return {
    memory: usage(unit?.memory.used, [unit?.memory.max, above?.memory], () => memoryOf(world, processes)),
    tasks: usage(unit?.tasks.used, [unit?.tasks.max, above?.tasks], threads),
  }
}

function usage(used: number | undefined, limits: readonly (number | undefined)[], count: () => number): Usage {
  const known = limits.filter((limit) => limit !== undefined)
  const max = known.length === 0 ? undefined : Math.min(...known)
  return used === undefined ? { used: count(), max, from: 'processes' } : { used, max, from: 'cgroup' }
}
