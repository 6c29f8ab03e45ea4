import { dirname, isAbsolute, join, resolve } from 'node:path'
import { errnoWords, LaunchError } from '../errors.ts'
import { statOf } from '../programs.ts'
import type { World } from '../world.ts'

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
const DEFAULT_PATH = '/usr/local/bin:/usr/bin:/bin'

export interface Search {
  readonly server: string
  readonly command: string
  readonly cwd: string
  /** The server's own directories, absolute, then the client's PATH. */
  readonly directories: readonly string[]
}

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

function notExecutable(search: Search, path: string, why: string, hint: string | undefined): LaunchError {
  return new LaunchError('notExecutable', {
    what: `can't start server "${search.server}", not executable`,
    subject: path,
    why,
    hint: hint ?? `mend "command" of server "${search.server}" in the registry`,
  })
}

/** The kernel reads no more of a `#!` line than this (BINPRM_BUF_SIZE). */
const HEAD_BYTES = 256

/** Finds what `execve` would refuse: an empty file, a text without `#!` (ENOEXEC), an interpreter that isn't there. */
function assertRunnable(world: World, search: Search, path: string): void {
  const head = headOf(world, search, path)
  if (head === undefined) return
  if (head.length === 0) throw notExecutable(search, path, 'is empty', undefined)
  if (head.toString('latin1', 0, 2) === '#!') {
    assertInterpreter(world, search, path, head)
  } else if (!head.includes(0)) {
    throw notExecutable(search, path, 'neither a program nor a script with "#!"', 'begin the script with a "#!" line')
  }
}

/** Undefined for a program that may be executed and not be read. */
function headOf(world: World, search: Search, path: string): Buffer | undefined {
  try {
    return world.files.head(path, HEAD_BYTES)
  } catch (error) {
    if (errnoWords(error) === 'permission denied') return undefined
    throw notExecutable(search, path, errnoWords(error), undefined)
  }
}

function assertInterpreter(world: World, search: Search, path: string, head: Buffer): void {
  const [line = ''] = head.toString('latin1').slice(2).split('\n')
  const [interpreter = ''] = line.replace(/^[ \t]+/, '').split(/[ \t]+/)
  if (isAbsolute(interpreter) && statOf(world, interpreter)?.kind === 'file') return
  throw new LaunchError('notFound', {
    what: `can't start server "${search.server}", its interpreter isn't there`,
    subject: interpreter,
    why: `the first line of ${path} asks for it`,
    hint: interpreter.endsWith('\r')
      ? 'save the script with LF line ends'
      : `install it, or mend ${dirname(path)}'s script`,
  })
}
