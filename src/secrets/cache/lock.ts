import { dirname } from 'node:path'
import { errnoOf } from '../../errors.ts'
import { processStart } from '../../process-start.ts'
import type { World } from '../../world.ts'

/** Who fetches: one process at a time, and nobody once that process has ended, however it ended. */
export interface Lock {
  readonly nonce: string
  release(): void
}

interface Holder {
  readonly pid: number
  /** Its start, so that a pid that is used again is nobody's lock (`processStart`). */
  readonly start: number
  readonly nonce: string
  /**
   * For a lock that was taken for another process: when it is nobody's if that one hasn't come. Its taker may live on
   * as the server that it becomes, and would hold it for as long.
   */
  readonly until?: number
}

/** More than a process takes to start on a busy machine. */
const HAND_OVER_MS = 3_000
/** A claim is held for microseconds; an older one's maker was killed. */
const CLAIM_MS = 2_000
/** The same of what is written without the lock. */
const DRAFT_MS = 60_000
const POLL_MS = 50
const NONCE = /^[0-9a-f]{24}$/
const MALFORMED: Holder = { pid: 0, start: 0, nonce: 'malformed' }

/** Takes the lock, or one whose holder has ended; undefined if it is held. Throws if the directory can't be written. */
export function tryLock(world: World, path: string): Lock | undefined {
  return take(world, path, undefined)
}

/** The same for a process that will {@link adoptLock} it, within the time that is left for that. */
export function tryLockForAnother(world: World, path: string): Lock | undefined {
  return take(world, path, world.now() + HAND_OVER_MS)
}

/** Waits for the lock; undefined if it is still held at the deadline. */
export async function waitForLock(world: World, path: string, deadline: number): Promise<Lock | undefined> {
  for (;;) {
    const lock = tryLock(world, path)
    if (lock !== undefined || world.now() >= deadline) return lock
    await world.sleep(POLL_MS)
  }
}

/**
 * Makes a lock that another process took for us our own; undefined if it isn't there any more. Throws if it can't be
 * written, and then nobody has it.
 */
export function adoptLock(world: World, path: string, nonce: string): Lock | undefined {
  const own = newNonce(world)
  const isOurs = change(world, path, nonce, () => {
    try {
      world.files.writeWhole(path, holderText(world, own))
    } catch (error) {
      world.files.remove(path)
      throw error
    }
  })
  return isOurs ? lock(world, path, own) : undefined
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

function take(world: World, path: string, until: number | undefined): Lock | undefined {
  const nonce = newNonce(world)
  const draft = `${path}.${nonce}.tmp`
  world.files.writeWhole(draft, holderText(world, nonce, until))
  try {
    for (let attempt = 0; attempt < 3; attempt += 1) {
      if (tryLink(world, draft, path)) return lock(world, path, nonce)
      const found = readHolder(world, path)
      if (found === undefined) continue
      if (isHeld(world, found)) return undefined
      change(world, path, found.nonce, () => world.files.remove(path))
    }
    return undefined
  } finally {
    world.files.remove(draft)
  }
}

function newNonce(world: World): string {
  return world.randomBytes(12).toString('hex')
}

/** While its holder runs nobody else changes it, so its release needs no claim, which a full disk would not take. */
function lock(world: World, path: string, nonce: string): Lock {
  return {
    nonce,
    release() {
      if (readHolder(world, path)?.nonce === nonce) world.files.remove(path)
    },
  }
}

function holderText(world: World, nonce: string, until?: number): string {
  const holder: Holder = {
    pid: world.pid,
    start: processStart(world, world.pid) ?? 0,
    nonce,
    ...(until === undefined ? {} : { until }),
  }
  return JSON.stringify(holder)
}

/** link(2) fails if the name is taken: a test and a claim in one, on every file system. */
function tryLink(world: World, draft: string, path: string): boolean {
  try {
    world.files.link(draft, path)
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

function isHeld(world: World, { pid, start, until }: Holder): boolean {
  if (!(pid > 0) || processStart(world, pid) !== start) return false
  const left = until === undefined ? 1 : until - world.now()
  return left > 0 && left <= HAND_OVER_MS
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
