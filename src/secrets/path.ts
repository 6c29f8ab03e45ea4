import { resolve } from 'node:path'
import { homeDirectory } from '../directories.ts'
import type { World } from '../world.ts'

/** The absolute path of a reference's file: `~/…` in the home directory, else relative to the registry's directory. */
export function resolvePath(world: World, baseDirectory: string, file: string): string {
  if (file === '~' || file.startsWith('~/')) return resolve(homeDirectory(world), file.slice(2))
  return resolve(baseDirectory, file)
}
