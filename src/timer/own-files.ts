import { dirname } from 'node:path'
import { errnoWords, LaunchError } from '../errors.ts'
import type { World } from '../world.ts'
import { isMarked } from './marker.ts'

const MODE = '644'
const CHMOD_LIMIT_MS = 5_000

/**
 * Writes these files, by path, unless they are there as they should be; all are looked at before any is written.
 *
 * @returns the paths that were written.
 * @throws LaunchError `failure` where a file is somebody else's or can't be written.
 */
export async function writeOwn(world: World, texts: Readonly<Record<string, string>>): Promise<string[]> {
  const changed = Object.entries(texts).filter(([path, text]) => ownText(world, path) !== text)
  for (const [path, text] of changed) {
    attempt('write', path, () => {
      world.files.makeDirectory(dirname(path))
      world.files.writeWhole(path, text)
    })
  }
  const paths = changed.map(([path]) => path)
  if (paths.length > 0) await makeReadable(world, paths)
  return paths
}

/** Units are no secrets, and systemd remarks on those that others can't read. It does without that, and so do we. */
async function makeReadable(world: World, paths: readonly string[]): Promise<void> {
  await world.processes.run({
    file: 'chmod',
    args: [MODE, '--', ...paths],
    env: { PATH: world.env['PATH'] ?? '' },
    cwd: '/',
    timeoutMs: CHMOD_LIMIT_MS,
  })
}

/**
 * What a file of ours holds; undefined if there is none.
 * @throws LaunchError `failure` if it is somebody else's.
 */
export function ownText(world: World, path: string): string | undefined {
  const kind = attempt('read', path, () => world.files.lstat(path))?.kind
  if (kind === undefined) return undefined
  if (kind !== 'file') throw foreign(path, 'is a symbolic link or no file', DECLARED)
  const text = attempt('read', path, () => world.files.read(path)).toString()
  if (isMarked(text)) return text
  throw foreign(path, 'was not made by mcp-launch', 'move it away, or keep it and do without this command')
}

/** Removes those of the files that are ours. Somebody else's stay, without a word. */
export function removeOwn(world: World, paths: readonly string[]): string[] {
  const own = paths.filter((path) => isOwn(world, path))
  for (const path of own) attempt('remove', path, () => world.files.remove(path))
  return own
}

export function isOwn(world: World, path: string): boolean {
  try {
    return ownText(world, path) !== undefined
  } catch {
    return false
  }
}

/** NixOS and Home Manager link units into the read-only store. */
const DECLARED = 'if NixOS or Home Manager put it there, change it in that configuration'

function foreign(path: string, why: string, hint: string): LaunchError {
  return new LaunchError('failure', { what: "won't touch", subject: path, why, hint })
}

function attempt<T>(verb: string, path: string, call: () => T): T {
  try {
    return call()
  } catch (error) {
    throw new LaunchError('failure', {
      what: `can't ${verb}`,
      subject: path,
      why: errnoWords(error),
      hint: `make the directory writable; ${DECLARED}`,
      cause: error,
    })
  }
}
