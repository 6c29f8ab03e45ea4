import { dirname } from 'node:path'
import { errnoOf } from './errors.ts'
import { processStart } from './process-start.ts'
import type { World } from './world.ts'

/**
 * One process at a time, and nobody once that process has ended, however it ended, or has held it for longer than it
 * may: a process can be stopped (Ctrl-Z), and on macOS a dead one's pid can't be told from another's.
 */
export interface Lock {
  readonly nonce: string
  /** Whether nobody has taken it over or away. To be asked before what it guards is written. */
  isOurs(): boolean
  release(): void
}

interface Holder {
  readonly pid: number
  /** Its start, so that a pid that is used again is nobody's lock (`processStart`). */
  readonly start: number
  readonly nonce: string
  /** From when until when it may be held, in milliseconds since the epoch. */
  readonly since: number
  readonly until: number
}

/** More than it takes to write a few files, on a busy machine too. */
export const WRITING_MS = 20_000
/**
 * More than a process takes to start on a busy machine. Who takes a lock for another may live on as the server that it
 * becomes, and would hold it for as long.
 */
const HAND_OVER_MS = 3_000
/** A clock that was set back by more than this makes a lock nobody's. */
const CLOCK_TOLERANCE_MS = 5_000
/** A claim is held for microseconds; an older one's maker was killed. */
const CLAIM_MS = 2_000
/** The same of what is written without the lock. */
const DRAFT_MS = 60_000
const POLL_MS = 50
const NONCE = /^[0-9a-f]{24}$/
/** What a killed process may leave beside a lock, the first group, and beside drafts (`machine/files.ts`). */
export const CLAIM = /^(.+)\.[0-9a-f]{24}\.claim\.tmp$/
const MALFORMED: Holder = { pid: 0, start: 0, nonce: 'malformed', since: 0, until: 0 }

/**
 * Takes the lock, or one that is nobody's any more; undefined if it is held. Throws if the directory can't be written.
 *
 * @param limitMs for how long it may be held; then others may take it.
 */
export function tryLock(world: World, path: string, limitMs = WRITING_MS): Lock | undefined {
  const holder = newHolder(world, limitMs)
  for (let attempt = 0; attempt < 3; attempt += 1) {
    if (tryCreate(world, path, holder)) return lock(world, path, holder)
    const found = readHolder(world, path)
    if (found === undefined) continue
    if (isHeld(world, found)) return undefined
    change(world, path, found.nonce, () => world.files.remove(path))
  }
  return undefined
}

/** The same for a process that will {@link adoptLock} it, within the time that is left for that. */
export function tryLockForAnother(world: World, path: string): Lock | undefined {
  return tryLock(world, path, HAND_OVER_MS)
}

/** Waits for the lock; undefined if it is still held at the deadline. */
export async function waitForLock(
  world: World,
  path: string,
  deadline: number,
  limitMs = WRITING_MS,
): Promise<Lock | undefined> {
  for (;;) {
    const lock = tryLock(world, path, limitMs)
    if (lock !== undefined || world.now() >= deadline) return lock
    await world.sleep(POLL_MS)
  }
}

/**
 * Makes a lock that another process took for us our own; undefined if it isn't there any more. Throws if it can't be
 * written, and then nobody has it.
 */
export function adoptLock(world: World, path: string, nonce: string, limitMs: number): Lock | undefined {
  const holder = newHolder(world, limitMs)
  const isOurs = change(world, path, nonce, () => {
    try {
      world.files.writeWhole(path, JSON.stringify(holder))
    } catch (error) {
      world.files.remove(path)
      throw error
    }
  })
  return isOurs ? lock(world, path, holder) : undefined
}

/** Whether a running process holds the lock. */
export function isLocked(world: World, path: string): boolean {
  const holder = readHolder(world, path)
  return holder !== undefined && isHeld(world, holder)
}

/** Removes what killed writers left in the lock's directory. To be called under the lock, which guards these files. */
export function sweep(world: World, lockPath: string, guarded: readonly string[]): void {
  const directory = dirname(lockPath)
  const drafts = world.files.list(directory).filter((name) => name.endsWith('.tmp'))
  for (const file of drafts.map((name) => `${directory}/${name}`)) {
    const isAbandoned = guarded.some((path) => file.startsWith(`${path}.`)) || ageMs(world, file) > DRAFT_MS
    if (isAbandoned) world.files.remove(file)
  }
}

function newHolder(world: World, limitMs: number): Holder {
  const since = world.now()
  return {
    pid: world.pid,
    start: processStart(world, world.pid) ?? 0,
    nonce: world.randomBytes(12).toString('hex'),
    since,
    until: since + limitMs,
  }
}

/**
 * While it is held nobody else changes it, so its release needs no claim, which a full disk would not take. After that
 * it is let alone: it is nobody's, and somebody may be about to take it.
 */
function lock(world: World, path: string, { nonce, until }: Holder): Lock {
  const isOurs = (): boolean => readHolder(world, path)?.nonce === nonce
  return {
    nonce,
    isOurs,
    release() {
      if (world.now() < until && isOurs()) world.files.remove(path)
    },
  }
}

function tryCreate(world: World, path: string, holder: Holder): boolean {
  try {
    world.files.createWhole(path, JSON.stringify(holder))
    return true
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error
    return false
  }
}

/** What is no lock of ours is nobody's: it is broken like the lock of a process that has ended. */
function readHolder(world: World, path: string): Holder | undefined {
  try {
    const holder = JSON.parse(world.files.read(path).toString()) as Holder | null
    return NONCE.test(String(holder?.nonce)) ? (holder as Holder) : MALFORMED
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') return MALFORMED
    // A link to nowhere; a file that is there by now was taken since.
    return world.files.lstat(path)?.kind === 'other' ? MALFORMED : undefined
  }
}

function isHeld(world: World, { pid, start, since, until }: Holder): boolean {
  const now = world.now()
  if (!(now >= since - CLOCK_TOLERANCE_MS && now < until)) return false
  return pid > 0 && processStart(world, pid) === start
}

/**
 * Removes or replaces the lock of this nonce. Whoever finds it dead or adopts it claims it first, so that nobody
 * removes what another has put there meanwhile.
 *
 * @returns false if it isn't there any more, or another is about to change it.
 */
function change(world: World, path: string, nonce: string, action: () => void): boolean {
  const claim = `${path}.${nonce}.claim.tmp`
  if (!tryClaim(world, claim)) return false
  try {
    if (readHolder(world, path)?.nonce !== nonce) return false
    action()
    return true
  } finally {
    world.files.remove(claim)
  }
}

function tryClaim(world: World, claim: string): boolean {
  try {
    world.files.create(claim, '')
    return true
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error
    if (ageMs(world, claim) > CLAIM_MS) world.files.remove(claim)
    return false
  }
}

function ageMs(world: World, file: string): number {
  return Math.abs(world.now() - (world.files.lstat(file)?.modifiedMs ?? world.now()))
}
