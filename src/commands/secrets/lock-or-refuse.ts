import { LaunchError } from '../../errors.ts'
import { cacheError } from '../../secrets/cache/cache-error.ts'
import { type Lock, waitForLock } from '../../secrets/cache/lock.ts'
import type { World } from '../../world.ts'

/** As long as a fetch usually may take. */
export const FETCH_LIMIT_MS = 60_000

/**
 * The lock of the cache for a person's command, which waits for whoever fetches, so many milliseconds. Throws LaunchError
 * without it.
 */
export async function lockOrRefuse(world: World, path: string, limitMs: number = FETCH_LIMIT_MS): Promise<Lock> {
  const lock = await waitForLock(world, path, world.now() + limitMs).catch((error: unknown) => {
    throw cacheError(error)
  })
  if (lock !== undefined) return lock
  throw new LaunchError('unavailable', { what: 'another refresh is still under way', hint: 'try again in a moment' })
}
