import type { World } from '../../world.ts'
import { cacheError } from './cache-error.ts'
import type { Store } from './store.ts'

/** More than most answers take. */
const ANSWER_BYTES = 64 * 1024

/**
 * Finds out whether the cache could be written with an answer in it. To be called before the question: an answer that
 * can't be kept is lost, and would be asked for again by whoever waits for it. Throws LaunchError if it couldn't.
 */
export function assertRoom({ files, pid }: World, { places: { values, meta } }: Store): void {
  const bytes = [values, meta].reduce((sum, file) => sum + (files.lstat(file)?.size ?? 0), ANSWER_BYTES)
  // A writer's (`machine/files.ts`), so that a killed one's is found and removed.
  const draft = `${values}.${pid}.tmp`
  try {
    files.remove(draft)
    files.create(draft, ' '.repeat(bytes))
  } catch (error) {
    throw cacheError(error)
  } finally {
    files.remove(draft)
  }
}
