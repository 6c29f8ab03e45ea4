import type { World } from '../world.ts'

/** A living process, from `/proc/PID/stat` (proc(5)). */
export interface Process {
  readonly pid: number
  readonly parent: number
  /** Clock ticks since boot, as `processStart` has it. */
  readonly start: number
  readonly threads: number
}

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

/** Undefined for a zombie too: it holds nothing and serves nobody. */
function processOf(world: World, pid: number): Process | undefined {
  const stat = proc(world, `${pid}/stat`)
  const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  if (fields.length < 20 || state === 'Z' || state === 'X') return undefined
  return { pid, parent: Number(fields[0]), threads: Number(fields[16]), start: Number(fields[18]) }
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
 * How long ago, in milliseconds, any thread of these processes was last on a CPU: `se.exec_start` in
 * `/proc/PID/task/TID/sched`, compared with our own. Undefined where the kernel doesn't tell that of each of them
 * (CONFIG_SCHED_DEBUG).
 */
export function idleMs(world: World, processes: readonly Process[]): number | undefined {
  const now = lastRun(world, `${world.pid}`)
  const threads = processes.flatMap(({ pid }) => tasks(world, pid).map((task) => `${pid}/task/${task}`))
  const runs = threads.map((thread) => lastRun(world, thread) ?? Number.NaN)
  const last = Math.max(0, ...runs)
  return now === undefined || !(last > 0) ? undefined : Math.max(0, Math.round(now - last))
}

function tasks(world: World, pid: number): readonly string[] {
  try {
    return world.files.list(`/proc/${pid}/task`)
  } catch {
    return []
  }
}

function lastRun(world: World, path: string): number | undefined {
  const text = /^se\.exec_start\s*:\s*(\d+(?:\.\d+)?)$/m.exec(proc(world, `${path}/sched`))?.[1]
  return text === undefined ? undefined : Number(text)
}

/** '' for a process that has ended, or that isn't ours to read. */
function proc(world: World, path: string): string {
  try {
    return world.files.read(`/proc/${path}`).toString('latin1')
  } catch {
    return ''
  }
}
