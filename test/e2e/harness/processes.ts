import { readdirSync, readFileSync } from 'node:fs'

/** The variable that tells a sandbox's processes from all others. */
export const MARKER = 'MCP_TEST_SANDBOX'

/** A process that belongs to a sandbox. */
export interface MarkedProcess {
  readonly pid: number
  /** Its argv, joined. */
  readonly command: string
}

/**
 * The living processes that were started with this marker in their environment, or with this directory as their home
 * (a server may get an environment that lost the marker).
 */
export function markedProcesses(marker: string, home: string): MarkedProcess[] {
  const wanted = [`${MARKER}=${marker}`, `HOME=${home}`]
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => wanted.some((variable) => ask(pid, 'environ').includes(variable)))
    .map((pid) => ({ pid: Number(pid), command: ask(pid, 'cmdline').join(' ').trim() }))
}

/** Whether a process is there and hasn't ended (a zombie has). */
export function isAlive(pid: number): boolean {
  const [state] = read(pid, 'stat').split(') ').at(-1) ?? []
  return state !== undefined && state !== 'Z' && state !== 'X'
}

/** Kills a process; fine if it has ended. */
export function kill(pid: number, signal: NodeJS.Signals = 'SIGKILL'): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It ended meanwhile.
  }
}

function ask(pid: string, file: string): string[] {
  return read(pid, file).split('\0')
}

function read(pid: number | string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return ''
  }
}
