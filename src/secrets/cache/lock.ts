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
}

/** Takes the lock, or one whose holder has ended; undefined if it is held. Throws if the directory can't be written. */
export function tryLock(world: World, path: string): Lock | undefined {
  const nonce = world.randomBytes(12).toString('hex')
  const draft = `${path}.${nonce}.tmp`
  world.files.writeWhole(draft, holderText(world, nonce))
  try {
    for (let attempt = 0; attempt < 3; attempt += 1) {
      if (tryLink(world, draft, path)) return lock(world, path, nonce)
      const found = readHolder(world, path)
      if (found !== undefined && isRunning(world, found)) return undefined
      if (found !== undefined) breakLock(world, path, found)
    }
    return undefined
  } finally {
    world.files.remove(draft)
  }
}

/** Makes a lock that another process took for us our own; undefined if it isn't there any more. */
export function adoptLock(world: World, path: string, nonce: string): Lock | undefined {
  if (readHolder(world, path)?.nonce !== nonce) return undefined
  world.files.writeWhole(path, holderText(world, nonce))
  return lock(world, path, nonce)
}

/** Whether a running process holds the lock. */
export function isLocked(world: World, path: string): boolean {
  const holder = readHolder(world, path)
  return holder !== undefined && isRunning(world, holder)
}

/** Whether the lock was adopted by a process other than this one. */
export function isAdopted(world: World, path: string, { nonce }: Lock): boolean {
  const holder = readHolder(world, path)
  return holder?.nonce !== nonce || holder.pid !== world.pid
}

function lock(world: World, path: string, nonce: string): Lock {
  return {
    nonce,
    release() {
      const holder = readHolder(world, path)
      if (holder?.nonce === nonce && holder.pid === world.pid) world.files.remove(path)
    },
  }
}

function holderText(world: World, nonce: string): string {
  const holder: Holder = { pid: world.pid, start: processStart(world, world.pid) ?? 0, nonce }
  return JSON.stringify(holder)
}

/** link(2) fails if the name is taken: a test and a claim in one, on every file system. */
function tryLink(world: World, draft: string, path: string): boolean {
  try {
    world.files.link(draft, path)
    return true
  } catch (error) {
    if (world.files.lstat(path) === undefined) throw error
    return false
  }
}

function readHolder(world: World, path: string): Holder | undefined {
  try {
    return JSON.parse(world.files.read(path).toString()) as Holder
  } catch {
    // What is no lock of ours is nobody's: it is broken like the lock of a process that has ended.
    return world.files.lstat(path) === undefined ? undefined : { pid: 0, start: 0, nonce: 'malformed' }
  }
}

function isRunning(world: World, { pid, start }: Holder): boolean {
  return pid > 0 && processStart(world, pid) === start
}

/**
 * Of several that find the same dead holder one renames its lock away. One that comes late may catch the lock of a
 * live process instead: it puts that back.
 */
function breakLock(world: World, path: string, dead: Holder): void {
  const aside = `${path}.${world.randomBytes(12).toString('hex')}.tmp`
  try {
    world.files.rename(path, aside)
  } catch {
    return
  }
  if (readHolder(world, aside)?.nonce !== dead.nonce) tryLink(world, aside, path)
  world.files.remove(aside)
}
