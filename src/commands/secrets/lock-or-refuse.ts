import { LaunchError } from '../../errors.ts'
import { type Lock, tryLock, waitForLock } from '../../lock.ts'
import { noteText } from '../../report/messages.ts'
import { cacheError } from '../../secrets/cache/cache-error.ts'
import type { World } from '../../world.ts'

/**
 * A lock of the cache for a person's command, which waits for whoever has it, and says so at a terminal. Whoever holds
 * it for longer than `limitMs` has lost it. Throws LaunchError without it.
 */
export async function lockOrRefuse(world: World, path: string, limitMs: number): Promise<Lock> {
  try {
    const lock = tryLock(world, path, limitMs) ?? (await waitAndSay(world, path, limitMs))
    if (lock !== undefined) return lock
  } catch (error) {
    throw cacheError(error)
  }
  throw new LaunchError('unavailable', { what: 'another refresh is still under way', hint: 'try again in a moment' })
}

function waitAndSay(world: World, path: string, limitMs: number): Promise<Lock | undefined> {
  if (world.terminal.stdoutIsTerminal) {
    const seconds = Math.ceil(limitMs / 1000)
    world.terminal.writeError(noteText(`waiting for a refresh that is under way, for ${seconds} s at most`))
  }
  return waitForLock(world, path, world.now() + limitMs, limitMs)
}
