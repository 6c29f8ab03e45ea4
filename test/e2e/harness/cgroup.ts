import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { cgroupDirectory, mountedHierarchies } from './hierarchies.ts'

/** A cgroup as the kernel has it, version 1 or 2. Everything is read anew at each call. */
export interface Cgroup {
  /** Of its memory controller. */
  readonly directory: string
  /** Bytes; Infinity for no limit. */
  memoryMax(): number
  /** Bytes used now. */
  memoryUsed(): number
  /** How often the kernel killed a process here for memory. */
  oomKills(): number
  /** Infinity for no limit. */
  tasksMax(): number
  /** How often a fork was refused for the limit. */
  tasksRefused(): number
  /** Of one CPU: 0.5 is half of one; Infinity for no limit. */
  cpuQuota(): number
  /** Pids. */
  processes(): number[]
}

/**
 * The cgroup that a process is in. It can be read for as long as the cgroup lives, also after that process has ended.
 * @throws where the process or a controller isn't there.
 */
export function cgroupOf(pid: number): Cgroup {
  const [memory, pids, cpu] = ['memory', 'pids', 'cpu'].map((controller) => directoryOf(pid, controller)) as [
    string,
    string,
    string,
  ]
  const legacy = mountedHierarchies().legacy.has('memory')
  return {
    directory: memory,
    memoryMax: () => limit(memory, legacy ? 'memory.limit_in_bytes' : 'memory.max'),
    memoryUsed: () => limit(memory, legacy ? 'memory.usage_in_bytes' : 'memory.current'),
    oomKills: () => counter(memory, legacy ? 'memory.oom_control' : 'memory.events', 'oom_kill'),
    tasksMax: () => limit(pids, 'pids.max'),
    tasksRefused: () => counter(pids, 'pids.events', 'max'),
    cpuQuota: () => (legacy ? legacyQuota(cpu) : quota(read(cpu, 'cpu.max'))),
    processes: () => read(pids, 'cgroup.procs').split('\n').filter(Boolean).map(Number),
  }
}

function directoryOf(pid: number, controller: string): string {
  const directory = cgroupDirectory(pid, controller)
  if (directory === undefined) throw new Error(`no cgroup tree has the controller ${controller}`)
  return directory
}

function read(directory: string, file: string): string {
  return readFileSync(join(directory, file), 'utf8').trim()
}

/** Version 1 writes "no limit" as the greatest number of whole pages. */
const NO_LIMIT = 2 ** 62

function limit(directory: string, file: string): number {
  const text = read(directory, file)
  return text === 'max' || Number(text) > NO_LIMIT ? Number.POSITIVE_INFINITY : Number(text)
}

function counter(directory: string, file: string, name: string): number {
  const line = read(directory, file)
    .split('\n')
    .find((candidate) => candidate.startsWith(`${name} `))
  return Number(line?.split(' ')[1] ?? 0)
}

function legacyQuota(directory: string): number {
  return quota(`${read(directory, 'cpu.cfs_quota_us')} ${read(directory, 'cpu.cfs_period_us')}`)
}

function quota(text: string): number {
  const [allowed, period] = text.split(' ')
  return allowed === 'max' || allowed === '-1' ? Number.POSITIVE_INFINITY : Number(allowed) / Number(period)
}
