import { realWorld } from '../../src/real-world.ts'
import type { FileStat, Program, World } from '../../src/world.ts'

/** A process of a machine that is only told of. */
export interface Told {
  readonly parent?: number
  readonly start: number
  readonly state?: string
  readonly program?: string
  readonly cgroup?: string
  readonly threads?: number
  readonly kilobytes?: number
  /** Of /proc/PID/task/TID/schedstat; left out: the kernel doesn't tell. */
  readonly schedstat?: string
  /** What its descriptors refer to, from 0 on; 'EACCES' if that can't be read. */
  readonly descriptors?: readonly string[]
}

export interface Machine {
  readonly processes: Readonly<Record<number, Told>>
  /** What `systemctl show` prints. */
  readonly shown?: string
  readonly audit?: readonly object[]
  /** Inode and references of each unix socket. */
  readonly sockets?: Readonly<Record<number, number>>
  /** Pids that live and aren't in /proc. */
  readonly hidden?: readonly number[]
  /** Other files that can be read. */
  readonly files?: Readonly<Record<string, string>>
}

export const OWN_PID = 4242
export const BOOT = '0b0b0b0b-1111-2222-3333-444444444444'
export const NOW = Date.UTC(2026, 10, 20, 12)

const missing = Object.assign(new Error('ENOENT'), { code: 'ENOENT' })
const denied = Object.assign(new Error('EACCES'), { code: 'EACCES' })
const ENTRY = { kind: 'directory', uid: 1000, mode: 0o700, size: 0, inode: 1, modifiedMs: 0, changedMs: 0 } as FileStat

function noSignals(pid: number, signal: string): void {
  throw new Error(`${signal} to ${pid}`)
}

/** A World of that machine: its /proc, its audit log and its systemctl. `ran` collects the programs that were run, `signalled` gets the signals. */
export function machine(
  told: Machine,
  ran: Program[] = [],
  signalled: (pid: number, signal: string) => void = noSignals,
): World {
  const own = { start: 9_000 }
  const all = (): Readonly<Record<number, Told>> => ({ [OWN_PID]: own, ...told.processes })
  const real = realWorld()
  return {
    ...real,
    platform: 'linux',
    pid: OWN_PID,
    uid: 1000,
    env: { HOME: '/home/u', PATH: '/usr/bin' },
    now: () => NOW,
    files: {
      ...real.files,
      read: (path) => Buffer.from(read(path)),
      lstat: (path) => (all()[Number(/^\/proc\/(\d+)$/.exec(path)?.[1])] === undefined ? undefined : ENTRY),
      stat(path) {
        const [, pid, descriptor] = /^\/proc\/(\d+)\/fd\/(\d+)$/.exec(path) ?? []
        const target = descriptorsOf(pid)[Number(descriptor)]
        return target === undefined ? undefined : { ...ENTRY, kind: target.startsWith('/home') ? 'file' : 'other' }
      },
      list(path) {
        if (path === '/proc') return [...Object.keys(all()), 'self', 'cpuinfo']
        const [, pid, directory] = /^\/proc\/(\d+)\/(task|fd)$/.exec(path) ?? []
        if (pid === undefined) return []
        return directory === 'task' ? [pid] : Object.keys(descriptorsOf(pid))
      },
      readLink(path) {
        const [, pid, descriptor] = /^\/proc\/(\d+)\/fd\/(\d+)$/.exec(path) ?? []
        const target = descriptorsOf(pid)[Number(descriptor)]
        if (target === undefined) throw missing
        if (target === 'EACCES') throw denied
        return target
      },
      isExecutable: (path) => path === '/usr/bin/systemctl',
    },
    processes: {
      ...real.processes,
      isAlive: (pid) => pid in all() || (told.hidden ?? []).includes(pid),
      signal: signalled,
      run(program) {
        ran.push(program)
        return Promise.resolve({ stdout: Buffer.from(told.shown ?? ''), stderr: '', end: { kind: 'exit', code: 0 } })
      },
    },
  }

  function descriptorsOf(pid: string | undefined): readonly string[] {
    return all()[Number(pid)]?.descriptors ?? []
  }

  function read(path: string): string {
    const given = told.files?.[path] ?? wholeMachine(told)[path]
    if (given !== undefined) return given
    const [, pid, file] = /^\/proc\/(\d+)\/(?:task\/\d+\/)?(\w+)$/.exec(path) ?? []
    const one = all()[Number(pid)]
    const text = one === undefined ? undefined : content(Number(pid), one)[file ?? '']
    if (text === undefined) throw missing
    return text
  }
}

function wholeMachine({ audit = [], sockets = {} }: Machine): Readonly<Record<string, string | undefined>> {
  const listed = Object.entries(sockets).map(
    ([inode, references]) => `00ff: 0000000${references} 00000000 00000000 0001 03 ${inode.padStart(5)}\n`,
  )
  return {
    '/home/u/.local/state/mcp-launch/audit.jsonl': audit.map((line) => `${JSON.stringify(line)}\n`).join(''),
    '/proc/sys/kernel/random/boot_id': `${BOOT}\n`,
    '/proc/net/unix': `Num RefCount\n${listed.join('')}`,
  }
}

function content(pid: number, one: Told): Readonly<Record<string, string | undefined>> {
  const { parent = 1, start, state = 'S', program = 'p) S 1 (', cgroup = '/', threads = 1 } = one
  const fields = [state, parent, ...Array(15).fill(0), threads, 0, start, 0, 0]
  return {
    stat: `${pid} (${program}) ${fields.join(' ')}\n`,
    comm: `${program}\n`,
    cgroup: `1:name=systemd:${cgroup}\n0::${cgroup}\n`,
    status: `Name:\tp\nVmRSS:\t ${one.kilobytes ?? 100} kB\n`,
    schedstat: one.schedstat === undefined ? undefined : `${one.schedstat}\n`,
  }
}

/** One scope as `systemctl show` prints it. */
export function shownScope(server: string, pid: number, more: Readonly<Record<string, string>> = {}): string {
  const properties = {
    Id: `mcp-${server}-${pid}.scope`,
    Description: `MCP server ${server}`,
    LoadState: 'loaded',
    ActiveState: 'active',
    Transient: 'yes',
    Slice: 'mcp-servers.slice',
    ControlGroup: cgroupOf(server, pid),
    ...more,
  }
  return `${Object.entries(properties)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')}\n`
}

export function cgroupOf(server: string, pid: number): string {
  return `/mcp.slice/mcp-${server}-${pid}.scope`
}

/** A launch in the audit log. */
export function logged(server: string, pid: number, start: number, clientPid: number, more: object = {}): object {
  const client = { pid: clientPid, program: 'codex' }
  return {
    time: new Date(NOW - 60_000).toISOString(),
    pid,
    event: 'launch',
    server,
    start,
    boot: BOOT,
    client,
    ...more,
  }
}
