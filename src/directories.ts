import { LaunchError } from './errors.ts'
import type { World } from './world.ts'

/** `$XDG_CACHE_HOME/mcp-launch`: what can be made again. */
export function cacheDirectory(world: World): string {
  return `${baseDirectory(world, 'XDG_CACHE_HOME', '.cache')}/mcp-launch`
}

/** `$XDG_STATE_HOME/mcp-launch`: what should outlive a cleared cache. */
export function stateDirectory(world: World): string {
  return `${baseDirectory(world, 'XDG_STATE_HOME', '.local/state')}/mcp-launch`
}

/** `$XDG_CONFIG_HOME`. */
export function configHome(world: World): string {
  return baseDirectory(world, 'XDG_CONFIG_HOME', '.config')
}

/** "If an implementation encounters a relative path, it should consider the path invalid" (XDG Base Directory 0.8). */
function baseDirectory(world: World, variable: string, fallback: string): string {
  const given = world.env[variable]
  return given?.startsWith('/') ? given : `${homeDirectory(world)}/${fallback}`
}

export function homeDirectory(world: World): string {
  const home = world.env['HOME']
  if (home?.startsWith('/')) return home
  throw new LaunchError('usage', {
    what: "can't find the home directory",
    why: home === undefined ? 'HOME is not set' : 'HOME is no absolute path',
    hint: 'let the client pass HOME on, or set it in the "env" of this server\'s entry there',
  })
}
