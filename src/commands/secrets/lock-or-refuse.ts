import { LaunchError } from '../../errors.ts'
import { cacheError } from '../../secrets/cache/cache-error.ts'
import { type Lock, waitForLock } from '../../secrets/cache/lock.ts'
import type { World } from '../../world.ts'

/** As long as a fetch may take. */
const LIMIT_MS = 60_000

/** The lock of the cache for a person's command, which waits for whoever fetches. Throws LaunchError without it. */
export async function lockOrRefuse(world: World, path: string): Promise<Lock> {
  const lock = await waitForLock(world, path, world.now() + LIMIT_MS).catch((error: unknown) => {
    throw cacheError(error)
  })
  if (lock !== undefined) return lock
  throw new LaunchError('unavailable', { what: 'another refresh is still under way', hint: 'try again in a moment' })
}
