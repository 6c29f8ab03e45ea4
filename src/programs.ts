import type { FileStat, World } from './world.ts'

/** Before the client's PATH: a project's own directory on it should not decide which system tool is run. */
const SYSTEM_DIRECTORIES = ['/usr/bin', '/bin', '/run/current-system/sw/bin']

/** The PATH's directories. A relative one is the working directory's, which is anybody's, and is left out. */
export function pathDirectories(world: World): string[] {
  return (world.env['PATH'] ?? '').split(':').filter((directory) => directory.startsWith('/'))
}

/** A program of the user's, looked up on the PATH. */
export function findProgram(world: World, name: string): string | undefined {
  return pathDirectories(world)
    .map((directory) => `${directory.replace(/\/+$/, '')}/${name}`)
    .find((path) => statOf(world, path)?.kind === 'file' && world.files.isExecutable(path))
}

/** A directory that can't be searched holds nothing for us, as for `execvp`. */
export function statOf(world: World, path: string): FileStat | undefined {
  try {
    return world.files.stat(path)
  } catch {
    return undefined
  }
}

/** A tool of the system's, looked up in `first`, then where systems keep them, then on the PATH. */
export function findSystemTool(world: World, name: string, first: readonly string[] = []): string | undefined {
  return [...first, ...SYSTEM_DIRECTORIES, ...pathDirectories(world)]
    .map((directory) => `${directory.replace(/\/+$/, '')}/${name}`)
    .find((path) => world.files.isExecutable(path))
}
