import { readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { Launched } from './launched.ts'
import { ROOT } from './root.ts'

/** Fixture programs; the first comment in each says what it does. */
export type ServerName = 'echo-bytes' | 'exit-with' | 'fork-bomb' | 'mcp-env' | 'memory-hog' | 'report' | 'wait-signal'

/** A fixture server as a registry has it: an executable by its absolute path, and arguments. */
export function server(name: ServerName, ...args: string[]): { command: string; args: string[] } {
  const path = join(ROOT, 'test', 'e2e', 'servers', name)
  return name === 'mcp-env' ? { command: process.execPath, args: [`${path}.mjs`, ...args] } : { command: path, args }
}

/** What the fixture `report` prints. */
export interface Report {
  readonly pid: number
  readonly ppid: number
  readonly argv: string[]
  readonly env: Record<string, string>
  readonly cwd: string
  /** Octal, four digits. */
  readonly umask: string
  /** By number; `flags` as in /proc/<pid>/fdinfo, octal. */
  readonly descriptors: Record<string, { readonly target: string; readonly flags: string }>
  /** The parent-death signal's number, 0 for none; null where it can't be asked. */
  readonly deathSignal: number | null
  /** The lines of /proc/self/cgroup. */
  readonly cgroup: string[]
  readonly nice: number
  /** Hexadecimal masks as in /proc/<pid>/status. Perl itself ignores SIGFPE (0x80): see `ignoredSignals`. */
  readonly SigIgn: string
  readonly SigBlk: string
  readonly SigCgt: string
}

/** What the fixture `report`, started one way or another, reports. It stays until the end of its stdin. */
export async function reportOf(launched: Launched): Promise<Report> {
  return JSON.parse(await launched.firstLine()) as Report
}

const SIGFPE = 8
const CLOSE_ON_EXEC = 0o2000000

/**
 * The descriptors that a server was given, without those that the test run itself was given beyond the first three and
 * that every program that it starts gets (terminals and CI runners leave some).
 */
export function givenDescriptors(report: Report): Report['descriptors'] {
  return Object.fromEntries(
    Object.entries(report.descriptors).filter(([fd, { target }]) => Number(fd) <= 2 || inherited(fd) !== target),
  )
}

/** The target of a descriptor of this process that its children get too. */
function inherited(fd: string): string | undefined {
  try {
    const flags = /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1] ?? '0'
    return Number.parseInt(flags, 8) & CLOSE_ON_EXEC ? undefined : readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    return undefined
  }
}

/** The numbers of the signals that a server was started with ignored; SIGFPE can't be told. */
export function ignoredSignals(report: Report): number[] {
  const mask = BigInt(`0x${report.SigIgn}`)
  return Array.from({ length: 64 }, (_, index) => index + 1).filter(
    (signal) => signal !== SIGFPE && (mask >> BigInt(signal - 1)) & 1n,
  )
}
