import { LaunchError } from '../errors.ts'
import { didYouMean } from '../nearest.ts'
import type { World } from '../world.ts'
import { readCompiled, writeCompiled } from './compiled.ts'
import type { Registered, ServerEntry } from './entry.ts'
import { readRegistryFile } from './file.ts'

const MOST_NAMES = 10

/**
 * One server for a launch. It stands on the hit path: the YAML parser and the schema are loaded only if the registry
 * has changed since it was compiled, or the server isn't in it.
 *
 * @param otherWords what a name that isn't in the registry may be a slip of besides.
 */
export async function lookUp(
  world: World,
  path: string,
  serverName: string,
  otherWords: readonly string[] = [],
): Promise<Registered> {
  const bytes = readRegistryFile(world, path)
  const hash = world.sha256(bytes)
  const compiled = readCompiled(world, hash, serverName)
  if (compiled !== undefined) {
    assertEnabled(path, compiled.server)
    return { registryPath: path, server: compiled.server, settings: compiled.settings }
  }
  const { parseRegistry } = await import('./load.ts')
  const registry = parseRegistry(bytes, path)
  const server = registry.servers.get(serverName)
  if (server === undefined) throw unknownServer(path, serverName, [...registry.servers.keys()], otherWords)
  writeCompiled(world, hash, registry)
  assertEnabled(path, server)
  return { registryPath: path, server, settings: registry.settings }
}

function assertEnabled(path: string, server: ServerEntry): void {
  if (server.enabled) return
  throw new LaunchError('usage', {
    what: "can't launch server",
    subject: server.name,
    why: `it has "enabled: false" in ${path}`,
    hint: 'take that line out to launch it',
  })
}

/** The error for a name that isn't in the registry: the near ones, else a list to choose from. */
export function unknownServer(
  path: string,
  name: string,
  known: readonly string[],
  otherWords: readonly string[] = [],
): LaunchError {
  const shown = [...known].sort().slice(0, MOST_NAMES)
  const more = known.length - shown.length
  const list = `${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}`
  return new LaunchError('usage', {
    what: 'unknown server',
    subject: name,
    why: `it is not in ${path}`,
    hint:
      didYouMean(
        name,
        [...known, ...otherWords].filter((word) => word !== name),
      ) ?? `choose one of ${list}`,
  })
}
