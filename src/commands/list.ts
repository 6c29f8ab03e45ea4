import { loadRegistry } from '../registry/load.ts'
import { registryPath } from '../registry/locate.ts'
import { table } from '../report/messages.ts'
import type { World } from '../world.ts'

/** `mcp-launch list`: the servers of the registry, by name. */
export function list(
  world: World,
  options: { readonly registry?: string; readonly json?: boolean; readonly names?: boolean },
): void {
  const registry = loadRegistry(world, registryPath(world, options.registry))
  const servers = [...registry.servers.values()]
  world.terminal.writeOut(format())

  function format(): string {
    if (options.names) {
      const names = servers.map(({ name }) => name)
      return options.json ? `${JSON.stringify(names, null, 2)}\n` : names.map((name) => `${name}\n`).join('')
    }
    if (options.json) {
      const rows = servers.map(({ name, enabled, description, command, secrets }) => ({
        name,
        enabled,
        ...(description === undefined ? {} : { description }),
        command,
        secrets: Object.keys(secrets),
      }))
      return `${JSON.stringify({ registry: registry.path, servers: rows }, null, 2)}\n`
    }
    const rows = servers.map((server) => [
      server.name,
      server.enabled ? 'on' : 'off',
      server.description ?? [server.command, ...server.args].join(' '),
    ])
    return `${table(rows)}\n`
  }
}
