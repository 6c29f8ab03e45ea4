import { LaunchError } from '../../errors.ts'
import { tryLock } from '../../secrets/cache/lock.ts'
import { places } from '../../secrets/cache/places.ts'
import { openStore } from '../../secrets/cache/store.ts'
import { allWanted } from '../../secrets/open.ts'
import type { World } from '../../world.ts'
import { select } from './selection.ts'

/**
 * `mcp-launch secrets clear [server…]`: takes the values of these servers out of the cache, or all of it, with what
 * was set aside as damaged. What is cleared is nowhere on the disk any more, and is asked for at the next launch.
 */
export async function clear(
  world: World,
  names: readonly string[],
  options: { readonly registry?: string; readonly json?: boolean },
): Promise<void> {
  const cleared = names.length === 0 ? clearAll(world) : await clearServers(world, names, options.registry)
  const text = options.json
    ? JSON.stringify({ cleared }, null, 2)
    : cleared.length === 0
      ? 'nothing to clear'
      : `cleared ${cleared.join(', ')}`
  world.terminal.writeOut(`${text}\n`)
}

function clearAll(world: World): string[] {
  const { directory, values, meta } = places(world)
  const ours = world.files
    .list(directory)
    .map((name) => `${directory}/${name}`)
    .filter((path) => path === meta || path === values || path.startsWith(`${values}.`) || path.startsWith(`${meta}.`))
  for (const path of ours) world.files.remove(path)
  return ours
}

async function clearServers(world: World, names: readonly string[], registry: string | undefined): Promise<string[]> {
  const { context, servers } = select(world, names, registry)
  const store = await openStore(world, () => {})
  if (store instanceof LaunchError) throw store
  const lock = tryLock(world, store.places.lock)
  if (lock === undefined) {
    throw new LaunchError('unavailable', { what: 'a refresh is under way', hint: 'try again in a moment' })
  }
  try {
    const specs = servers.flatMap(({ secrets }) => Object.values(secrets))
    const items = allWanted(world, context, specs)
    const values = new Map(await store.readValues())
    const meta = store.readMeta()
    const refs = new Map(Object.entries(meta.refs))
    const cleared = items.filter(({ key }) => [values.delete(key), refs.delete(key)].includes(true))
    await store.write(values, { ...meta, refs: Object.fromEntries(refs) })
    world.files.remove(`${store.places.values}.damaged`)
    return cleared.map(({ ref }) => ref.text)
  } finally {
    lock.release()
  }
}
