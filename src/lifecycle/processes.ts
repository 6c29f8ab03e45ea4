import { hasEnded, proc, type Stat, statOf } from '../proc.ts'
import type { World } from '../world.ts'

/** A living process. A zombie is none: it holds nothing and serves nobody. */
export type Process = Stat

/** The processes of this machine at one moment; each kind of file is read once, and only if it is asked for. */
export class ProcessTable {
  readonly #world: World
  #all: ReadonlyMap<number, Process> | undefined
  #cgroups: ReadonlyMap<number, readonly string[]> | undefined

  constructor(world: World) {
    this.#world = world
  }

  get(pid: number): Process | undefined {
    return this.#processes().get(pid)
  }

  /** What is in a cgroup and below it. Nothing of another pid namespace can be seen. */
  inCgroup(path: string): Process[] {
    if (path === '' || path === '/') return []
    this.#cgroups ??= new Map([...this.#processes().keys()].map((pid) => [pid, cgroupsOf(this.#world, pid)]))
    const cgroups = this.#cgroups
    return [...this.#processes().values()].filter(({ pid }) =>
      cgroups.get(pid)?.some((own) => own === path || own.startsWith(`${path}/`)),
    )
  }

  /** A process and all that it and they started; without those whose parent has ended, which belong to init. */
  tree(pid: number): Process[] {
    const root = this.get(pid)
    if (root === undefined) return []
    const tree = [root]
    for (const { pid: parent } of tree) {
      tree.push(...[...this.#processes().values()].filter((one) => one.parent === parent && !tree.includes(one)))
    }
    return tree
  }

  #processes(): ReadonlyMap<number, Process> {
    this.#all ??= new Map(
      this.#world.files
        .list('/proc')
        .filter((name) => /^\d+$/.test(name))
        .flatMap((name) => processOf(this.#world, Number(name)) ?? [])
        .map((found) => [found.pid, found]),
    )
    return this.#all
  }
}

function processOf(world: World, pid: number): Process | undefined {
  const stat = statOf(world, pid)
  return stat === undefined || hasEnded(stat) ? undefined : stat
}

/** `4:memory:/path`, `0::/path`: a path in each hierarchy (cgroups(7)). */
function cgroupsOf(world: World, pid: number): string[] {
  const lines = proc(world, `${pid}/cgroup`).split('\n')
  return lines.flatMap((line) => /^\d+:[^:]*:(\/.+)$/.exec(line)?.[1] ?? [])
}

/**
 * Bytes in memory: each process's share of what it has in common with others where the kernel says that
 * (`smaps_rollup`), else all that is resident.
 */
export function memoryOf(world: World, processes: readonly Process[]): number {
  return processes.map(({ pid }) => kilobytes(world, pid) * 1024).reduce((sum, bytes) => sum + bytes, 0)
}

function kilobytes(world: World, pid: number): number {
  const share = /^Pss:\s*(\d+) kB/m.exec(proc(world, `${pid}/smaps_rollup`))?.[1]
  return Number(share ?? /^VmRSS:\s*(\d+) kB/m.exec(proc(world, `${pid}/status`))?.[1] ?? 0)
}

/**
 * A measure of the work that all threads of these processes have done so far, good for nothing but to be compared: it
 * is another as soon as any of them was on a CPU (nanoseconds there, and how often, of `/proc/PID/task/TID/schedstat`).
 * Undefined where the kernel doesn't count (CONFIG_SCHED_INFO).
 */
export function workOf(world: World, processes: readonly Process[]): string | undefined {
  const counts = processes
    .flatMap(({ pid }) => tasks(world, pid).map((task) => proc(world, `${pid}/task/${task}/schedstat`)))
    .filter((line) => line !== '')
    .map((line) => line.split(' ').map(Number))
  const sum = (field: number): number => counts.reduce((total, count) => total + (count[field] ?? 0), 0)
  return counts.length === 0 ? undefined : `${counts.length} ${sum(0)} ${sum(2)}`
}

function tasks(world: World, pid: number): readonly string[] {
  try {
    return world.files.list(`/proc/${pid}/task`)
  } catch {
    return []
  }
}
