import { resolve } from 'node:path'
import { configHome, homeDirectory } from '../directories.ts'
import { LaunchError } from '../errors.ts'
import type { World } from '../world.ts'

const NAMES = ['servers.yaml', 'servers.yml', 'servers.json']

/**
 * The registry file's absolute path: the option, else `MCP_LAUNCH_REGISTRY`, else the first of `servers.yaml`,
 * `servers.yml` and `servers.json` in `$XDG_CONFIG_HOME/mcp`. Only the last is looked for: a path that was given is
 * given back, and reading it says what is wrong with it.
 */
export function registryPath(world: World, option: string | undefined): string {
  const found = findRegistry(world, option)
  if (found !== undefined) return found
  throw new LaunchError('usage', {
    what: 'no registry',
    why: `looked for ${NAMES.join(', ')} in ${defaultDirectory(world)}`,
    hint: 'mcp-launch init',
  })
}

/** The same, or undefined if none was given and there is none. */
export function findRegistry(world: World, option: string | undefined): string | undefined {
  const given = option ?? world.env['MCP_LAUNCH_REGISTRY']
  if (given !== undefined && given !== '') return givenPath(world, given)
  const directory = defaultDirectory(world)
  return NAMES.map((name) => `${directory}/${name}`).find((path) => exists(world, path))
}

/** Where a new registry goes. */
export function newRegistryPath(world: World): string {
  return `${defaultDirectory(world)}/servers.yaml`
}

function defaultDirectory(world: World): string {
  return `${configHome(world)}/mcp`
}

/** No shell expands the `~` that users write into a client's configuration. */
function givenPath(world: World, path: string): string {
  return path.startsWith('~/') ? resolve(homeDirectory(world), path.slice(2)) : resolve(world.cwd, path)
}

/** A file that can't be looked at is there: reading it gives the reason. */
function exists(world: World, path: string): boolean {
  try {
    return world.files.stat(path) !== undefined
  } catch {
    return true
  }
}
