import { isAbsolute, join, resolve } from 'node:path'
import { LaunchError } from '../errors.ts'
import { statOf } from '../programs.ts'
import type { World } from '../world.ts'
import { assertRunnable, notExecutable, type Search } from './runnable.ts'

/** Where programs are that a desktop client's short PATH doesn't name; only for the hint. */
const USUAL_DIRECTORIES = [
  '~/.local/bin',
  '~/.npm-global/bin',
  '~/.bun/bin',
  '~/.cargo/bin',
  '~/go/bin',
  '~/.nix-profile/bin',
  '~/.volta/bin',
  '~/.asdf/shims',
  '~/.local/share/mise/shims',
  '/run/current-system/sw/bin',
  '/opt/homebrew/bin',
  '/home/linuxbrew/.linuxbrew/bin',
  '/usr/local/bin',
  '/usr/bin',
  '/snap/bin',
]

/** What `execvp` searches when there is no PATH (confstr(3), `_CS_PATH`), and where most programs are. */
export const DEFAULT_PATH = '/usr/local/bin:/usr/bin:/bin'

/**
 * The directories that a server's command is looked for in. A relative one on the client's PATH is the working
 * directory's, which is anybody's project: it is left out.
 */
export function searchDirectories(own: readonly string[], clientPath: string | undefined): string[] {
  const path = clientPath === undefined || clientPath === '' ? DEFAULT_PATH : clientPath
  return [...own, ...path.split(':').filter(isAbsolute)]
}

/**
 * The absolute path of a server's command. Everything that would make `execve` fail is found here, because after it
 * there is nobody left to say why, and Node 24 aborts with a stack trace.
 *
 * @throws LaunchError `notFound` (127) or `notExecutable` (126), as a shell would end.
 */
export function findExecutable(world: World, search: Search): string {
  const candidates = search.command.includes('/')
    ? [isAbsolute(search.command) ? search.command : resolve(search.cwd, search.command)]
    : search.directories.map((directory) => join(directory, search.command))
  let refused: string | undefined
  for (const candidate of candidates) {
    if (statOf(world, candidate)?.kind !== 'file') continue
    if (world.files.isExecutable(candidate)) {
      assertRunnable(world, search, candidate)
      return candidate
    }
    refused ??= candidate
  }
  if (refused !== undefined) throw notExecutable(search, refused, 'no permission to execute it', `chmod +x ${refused}`)
  throw notFound(world, search, candidates)
}

function notFound(world: World, search: Search, candidates: readonly string[]): LaunchError {
  const [only] = candidates
  if (search.command.includes('/') && only !== undefined) {
    const kind = statOf(world, only)?.kind
    if (kind !== undefined)
      return notExecutable(search, only, kind === 'directory' ? 'is a directory' : 'is no file', undefined)
    return new LaunchError('notFound', {
      what: `can't start server "${search.server}", no such command`,
      subject: only,
      hint: `mend "command" of server "${search.server}" in the registry`,
    })
  }
  const elsewhere = usualPlace(world, search.command)
  return new LaunchError('notFound', {
    what: `can't start server "${search.server}", command not found`,
    subject: search.command,
    why: `looked in ${search.directories.join(':') || 'no directory, for PATH names no absolute one'}`,
    hint:
      elsewhere === undefined
        ? `install "${search.command}", or give its directory under "path" of server "${search.server}"`
        : `add to server "${search.server}" in the registry: path: [${elsewhere}]`,
  })
}

function usualPlace(world: World, command: string): string | undefined {
  const home = world.env['HOME'] ?? '/'
  return USUAL_DIRECTORIES.find((directory) => {
    const path = join(directory.replace(/^~/, home), command)
    return statOf(world, path)?.kind === 'file' && world.files.isExecutable(path)
  })
}
