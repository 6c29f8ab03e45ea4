import { errnoWords, LaunchError } from '../../errors.ts'

/** Why the cache can't be used, with the path that a system call failed for. */
export function cacheError(error: unknown): LaunchError {
  if (error instanceof LaunchError) return error
  const { path, dest = path } = Object(error) as { readonly path?: string; readonly dest?: string }
  return new LaunchError('failure', {
    what: "can't use the cache",
    ...(dest === undefined ? {} : { subject: dest }),
    why: errnoWords(error),
    hint: 'secrets are asked for at every start until it can be written',
    cause: error,
  })
}
