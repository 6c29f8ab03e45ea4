import { existsSync } from 'node:fs'
import type { Unavailable } from './unavailable.ts'

/**
 * The beginning of an argv that runs a command where no user manager can be found: nothing where there is none at
 * /run/user/<uid> anyway, else with an empty directory in its place, which only root can arrange.
 */
export function withoutManager(): { readonly prefix: readonly string[] } | Unavailable {
  const uid = process.getuid?.() ?? 0
  const place = `/run/user/${uid}`
  if (!existsSync(place)) return { prefix: [] }
  if (uid !== 0) return { unavailable: `a user manager may be at ${place}, and only root can hide it` }
  const hide = 'mount -t tmpfs -o mode=755 tmpfs /run/user && exec "$@"'
  return { prefix: ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', hide, 'sh'] }
}
