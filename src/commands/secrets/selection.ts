import type { ServerEntry } from '../../registry/entry.ts'
import { loadRegistry, type Registry } from '../../registry/load.ts'
import { registryPath } from '../../registry/locate.ts'
import { unknownServer } from '../../registry/lookup.ts'
import type { Context } from '../../secrets/open.ts'
import type { World } from '../../world.ts'

/** The servers that a command is about, and what their references need to be resolved. */
export interface Selection {
  readonly registry: Registry
  readonly context: Context
  readonly servers: readonly ServerEntry[]
}

/** The named servers, or all that are switched on. Throws `usage` for a name that isn't in the registry. */
export function select(world: World, names: readonly string[], registryOption: string | undefined): Selection {
  const registry = loadRegistry(world, registryPath(world, registryOption))
  const context = { registryPath: registry.path, settings: registry.settings }
  const all = [...registry.servers.values()]
  if (names.length === 0) return { registry, context, servers: all.filter(({ enabled }) => enabled) }
  const servers = names.map((name) => {
    const server = registry.servers.get(name)
    if (server === undefined) throw unknownServer(registry.path, name, [...registry.servers.keys()])
    return server
  })
  return { registry, context, servers }
}
