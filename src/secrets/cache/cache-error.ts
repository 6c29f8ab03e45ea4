import { errnoWords, LaunchError } from '../../errors.ts'

/** Why the cache can't be used. */
export function cacheError(error: unknown): LaunchError {
  if (error instanceof LaunchError) return error
  return new LaunchError('failure', {
    what: "can't use the cache",
    why: errnoWords(error),
    hint: 'secrets are asked for at every start until it can be written',
    cause: error,
  })
}
