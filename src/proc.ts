import { basename } from 'node:path'
import type { World } from './world.ts'

/** A process as `/proc/PID/stat` has it (proc(5)). */
export interface Stat {
  readonly pid: number
  /** One letter; `Z` is a zombie. */
  readonly state: string
  readonly parent: number
  readonly session: number
  readonly threads: number
  /** Clock ticks since boot. */
  readonly start: number
}

/** Undefined for a process that has ended, and where there is no `/proc`. */
export function statOf(world: World, pid: number): Stat | undefined {
  const text = proc(world, `${pid}/stat`)
  // The program's name is in parentheses and may hold any.
  const [state = '', ...fields] = text.slice(text.lastIndexOf(')') + 2).split(' ')
  if (fields.length < 19) return undefined
  const field = (number: number): number => Number(fields[number - 4])
  return { pid, state, parent: field(4), session: field(6), threads: field(20), start: field(22) }
}

/** A process that holds nothing any more. A zombie with threads is one whose first thread has ended. */
export function hasEnded({ state, threads }: Stat): boolean {
  return state === 'X' || (state === 'Z' && threads <= 1)
}

/** What a file of `/proc` holds; '' for a process that has ended, or that isn't ours to read. */
export function proc(world: World, path: string): string {
  try {
    return world.files.read(`/proc/${path}`).toString('latin1')
  } catch {
    return ''
  }
}

/** The id of this boot: pids and start times of another tell nothing. Undefined where it can't be told. */
export function bootId(world: World): string | undefined {
  return proc(world, 'sys/kernel/random/boot_id').trim() || undefined
}

/** Whose first word that is no option is a script. */
const INTERPRETER = /^(?:node|nodejs|bun|deno|python[\d.]*|ruby|perl|php|sh|bash|dash|zsh)$/

/**
 * The program that a process runs, as a person calls it: its script's or its executable's name, from the words it was
 * started with. None of the other words, which may be secrets. Where they can't be read, the kernel's name for it, of
 * at most 15 characters, which a program may set for each thread (`node-MainThread`).
 */
export function programOf(world: World, pid: number): string | undefined {
  const [first = '', second = ''] = proc(world, `${pid}/cmdline`).split('\0')
  const executable = nameOf(first)
  const isScript = INTERPRETER.test(executable) && !second.startsWith('-') && /[/.]/.test(second)
  const name = isScript ? basename(second) : executable
  return decoded(name) || decoded(proc(world, `${pid}/comm`).trim()) || undefined
}

/** A login shell's begins with a dash; a title that a program gave itself may go on with anything. */
function nameOf(word: string): string {
  return basename(word.split(' ')[0] ?? '').replace(/^-|:$/g, '')
}

function decoded(latin1: string): string {
  return Buffer.from(latin1, 'latin1').toString()
}
