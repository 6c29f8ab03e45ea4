import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Controllers that a systemd user manager needs for the limits that mcp-launch sets. */
const CONTROLLERS = ['cpu', 'memory', 'pids']

/** The mounted cgroup trees. `unified` alone is pure version 2; with `legacy` it is hybrid or pure version 1. */
export interface Hierarchies {
  /** Mount point of the version 2 tree. */
  readonly unified: string | undefined
  /** Mount points of version 1 trees, by controller; systemd's own has the name `name=systemd`. */
  readonly legacy: ReadonlyMap<string, string>
}

/** The cgroup trees of this machine, or of the mount namespace that this process is in. */
export function mountedHierarchies(): Hierarchies {
  const legacy = new Map<string, string>()
  let unified: string | undefined
  for (const line of readFileSync('/proc/self/mounts', 'utf8').split('\n')) {
    const [, mountPoint, type, options] = line.split(' ')
    if (mountPoint === undefined || options === undefined) continue
    if (type === 'cgroup2') unified ??= mountPoint
    if (type === 'cgroup') for (const option of options.split(',')) legacy.set(option, mountPoint)
  }
  return { unified, legacy }
}

/** Where a process is: the directory of its cgroup for a controller, in whichever tree has that controller. */
export function cgroupDirectory(pid: number, controller: string): string | undefined {
  const { unified, legacy } = mountedHierarchies()
  const paths = cgroupPaths(pid)
  const legacyMount = legacy.get(controller)
  const mount = legacyMount ?? unified
  const path = paths.get(legacyMount === undefined ? '' : controller)
  return mount === undefined || path === undefined ? undefined : join(mount, path)
}

/** `/proc/<pid>/cgroup` as controller → path; version 2 has the empty name. */
export function cgroupPaths(pid: number | 'self'): ReadonlyMap<string, string> {
  const paths = new Map<string, string>()
  for (const line of readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim().split('\n')) {
    const [, controllers = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
    for (const controller of controllers.split(',')) paths.set(controller, path)
  }
  return paths
}

/**
 * The trees that a user manager works in: its own, and those of the controllers that it hands out. In version 1 it
 * takes `cpu` and `cpuacct` for one, and uses neither unless it may use both.
 */
export function managerMounts({ unified, legacy }: Hierarchies): string[] {
  const mounts = new Set(['name=systemd', 'cpuacct', ...CONTROLLERS].map((name) => legacy.get(name)))
  mounts.add(unified)
  mounts.delete(undefined)
  return [...mounts] as string[]
}

/** What is written to `cgroup.subtree_control` of a version 2 cgroup to hand the controllers down. */
export const HAND_DOWN = CONTROLLERS.map((name) => `+${name}`).join(' ')
