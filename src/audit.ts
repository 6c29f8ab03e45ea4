import { stateDirectory } from './directories.ts'
import { errnoOf, LaunchError } from './errors.ts'
import { assertOnlyOwnerWrites, shellWord } from './permissions.ts'
import { programOf } from './proc.ts'
import type { FileStat, World } from './world.ts'

/** What is written down, beside the time. Names, never values: a test searches the log for them. */
export type AuditEvent =
  | {
      readonly event: 'launch'
      readonly server: string
      /** With the pid and the boot, it is this process for ever (`processStart`, `bootId`). */
      readonly start: number
      readonly boot?: string | undefined
      /** Undefined where who started us isn't the client. */
      readonly client?: Client | undefined
      readonly variables: readonly string[]
      readonly cache: Readonly<Record<string, string>>
      /** By reference: which of its values the server was started with. */
      readonly held?: Readonly<Record<string, Held>>
      readonly unit?: string
      /** The watch of the client that the unit is bound to. */
      readonly bound?: string
      /** Why it is bound to none. */
      readonly unbound?: string
    }
  | {
      readonly event: 'failure'
      readonly server?: string
      readonly client: Client
      readonly exitCode: number
      readonly error: string
    }
  | { readonly event: 'refresh'; readonly ref: string; readonly outcome: string; readonly error?: string }
  | { readonly event: 'purge'; readonly ref: string }
  | {
      readonly event: 'cooldown'
      readonly source: string
      readonly until: string
      readonly failures: number
      readonly error: string
    }
  | { readonly event: 'damage'; readonly file: string; readonly why: string }

/** Tells a value of the cache from those before and after it. */
export interface Held {
  /** Milliseconds since the epoch: when it was first fetched, or at least no later value was there. */
  readonly changedAt: number
  /** Of the encrypted file that it came from: the beginning of its SHA-256. */
  readonly contentHash?: string
}

/** The program that started us. */
export interface Client {
  readonly pid: number
  /** Undefined where it can't be told. */
  readonly program?: string
}

const LARGEST_BYTES = 1024 * 1024
/** `audit.jsonl.1` is the youngest of them. */
const KEPT_OLD = 3
/** Rotating takes less than a millisecond; an older claim's maker was killed. */
const CLAIM_MS = 10_000

export function auditLog(world: World): string {
  return `${stateDirectory(world)}/audit.jsonl`
}

/** The log and the old ones, oldest first. */
export function auditLogs(world: World): string[] {
  const old = Array.from({ length: KEPT_OLD }, (_, index) => `${auditLog(world)}.${KEPT_OLD - index}`)
  return [...old, auditLog(world)]
}

/**
 * Adds a line to the audit log: one write at the file's end (O_APPEND), so that parallel writers don't mix. A log that
 * can't be written stops nothing.
 *
 * @returns why nothing was written, if that is because others can write in its directory, or it is no file.
 */
export function audit(world: World, event: AuditEvent): LaunchError | undefined {
  const line = JSON.stringify({ time: new Date(world.now()).toISOString(), pid: world.pid, ...event })
  try {
    const path = auditLog(world)
    const directory = stateDirectory(world)
    const stat = world.files.stat(directory)
    const refused = stat === undefined ? undefined : refusal(world, directory, stat)
    if (refused !== undefined) return refused
    if (stat === undefined) world.files.makeDirectory(directory)
    world.files.appendLine(path, line)
    rotate(world, path)
    return undefined
  } catch (error) {
    // A full or read-only disk, or another process that rotates, isn't worth a word.
    return NOT_A_FILE.has(errnoOf(error)) ? notAFile(world) : undefined
  }
}

/** What a link, or a pipe without a reader, gives. */
const NOT_A_FILE: ReadonlySet<string | undefined> = new Set(['ELOOP', 'ENXIO', 'EFTYPE'])

function notAFile(world: World): LaunchError {
  const path = auditLog(world)
  return new LaunchError('failure', {
    what: 'refusing the audit log',
    subject: path,
    why: 'is not a regular file',
    hint: `remove it: rm ${shellWord(path)}`,
  })
}

function refusal(world: World, directory: string, stat: FileStat): LaunchError | undefined {
  try {
    assertOnlyOwnerWrites(world, directory, stat, 'the state directory')
    return undefined
  } catch (error) {
    if (error instanceof LaunchError) return error
    throw error
  }
}

/** Of several that find the log full one renames it: whoever comes later finds the young one. */
function rotate(world: World, path: string): void {
  const isFull = (): boolean => (world.files.stat(path)?.size ?? 0) >= LARGEST_BYTES
  if (!isFull()) return
  const claim = `${path}.tmp`
  const claimed = world.files.lstat(claim)
  if (claimed !== undefined && Math.abs(world.now() - claimed.modifiedMs) > CLAIM_MS) world.files.remove(claim)
  world.files.create(claim, '')
  try {
    if (isFull()) shift(world, path)
  } finally {
    world.files.remove(claim)
  }
}

function shift(world: World, path: string): void {
  for (let number = KEPT_OLD - 1; number >= 1; number -= 1) {
    if (world.files.stat(`${path}.${number}`) !== undefined)
      world.files.rename(`${path}.${number}`, `${path}.${number + 1}`)
  }
  world.files.rename(path, `${path}.1`)
}

/** Who started this process. */
export function client(world: World): Client {
  const pid = world.parentPid()
  const program = programOf(world, pid)
  return program === undefined ? { pid } : { pid, program }
}
