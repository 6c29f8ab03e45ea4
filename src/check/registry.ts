import { LaunchError } from '../errors.ts'
import { COMMANDS } from '../invocation.ts'
import type { ServerEntry } from '../registry/entry.ts'
import { loadRegistry, type Registry } from '../registry/load.ts'
import { registryPath } from '../registry/locate.ts'
import { unknownServer } from '../registry/lookup.ts'
import type { World } from '../world.ts'
import { count, errorFindings, type Report } from './finding.ts'

/** The registry, if it can be used; all that is wrong with it is reported. */
export function checkRegistry(world: World, option: string | undefined, report: Report): Registry | undefined {
  try {
    const registry = loadRegistry(world, registryPath(world, option))
    const servers = [...registry.servers.values()]
    const off = servers.filter(({ enabled }) => !enabled).length
    report({
      severity: 'ok',
      area: 'registry',
      subject: registry.path,
      what: 'registry',
      why: `${count(servers.length, 'server')}${off === 0 ? '' : `, ${off} switched off`}`,
    })
    return registry
  } catch (error) {
    if (!(error instanceof LaunchError)) throw error
    for (const finding of errorFindings('registry', option ?? '', error)) report(finding)
    return undefined
  }
}

/** The named servers, or all that are switched on; what can't be started by its name is reported. */
export function chooseServers(registry: Registry, names: readonly string[], report: Report): ServerEntry[] {
  const all = [...registry.servers.values()]
  const known = all.map(({ name }) => name)
  for (const name of names.filter((wanted) => !registry.servers.has(wanted))) {
    for (const finding of errorFindings('registry', name, unknownServer(registry.path, name, known))) report(finding)
  }
  const chosen = all.filter(({ name, enabled }) => (names.length === 0 ? enabled : names.includes(name)))
  for (const { name } of chosen.filter((server) => COMMANDS.includes(server.name))) {
    report({
      severity: 'warning',
      area: 'registry',
      subject: name,
      what: 'server',
      why: `"mcp-launch ${name}" is a command and doesn't start it`,
      action: `start it with "mcp-launch run ${name}", or rename it`,
    })
  }
  for (const { name } of chosen.filter(({ enabled }) => !enabled)) {
    report({
      severity: 'note',
      area: 'registry',
      subject: name,
      what: 'server',
      why: 'it is switched off, and so not started',
      action: 'take out its "enabled: false"',
    })
  }
  return chosen.filter(({ enabled }) => enabled)
}
