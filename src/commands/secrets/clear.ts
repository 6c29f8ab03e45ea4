import { errnoWords, LaunchError } from '../../errors.ts'
import type { Lock } from '../../secrets/cache/lock.ts'
import { type Places, places } from '../../secrets/cache/places.ts'
import { questionLocks } from '../../secrets/cache/question.ts'
import { openStore } from '../../secrets/cache/store.ts'
import { allWanted, specsOf } from '../../secrets/open.ts'
import type { World } from '../../world.ts'
import { lockOrRefuse } from './lock-or-refuse.ts'
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
  const cleared = names.length === 0 ? await clearAll(world) : await clearServers(world, names, options.registry)
  const text = options.json
    ? JSON.stringify({ cleared }, null, 2)
    : cleared.length === 0
      ? 'nothing to clear'
      : `cleared ${cleared.join(', ')}`
  world.terminal.writeOut(`${text}\n`)
}

/** At once, and again when nobody fetches any more: an answer that is on its way would be written after it. */
async function clearAll(world: World): Promise<string[]> {
  const { directory } = places(world)
  const cleared = removeAll(world)
  if (world.files.stat(directory) === undefined) return cleared
  const lock = await lockAll(world, places(world))
  try {
    return [...new Set([...cleared, ...removeAll(world)])]
  } finally {
    lock.release()
  }
}

/** All that fetch have ended and nobody writes. */
async function lockAll(world: World, where: Places): Promise<Pick<Lock, 'release'>> {
  const locks: Lock[] = []
  const release = (): void => {
    for (const lock of locks) lock.release()
  }
  try {
    for (const path of [...questionLocks(world, where), where.lock]) locks.push(await lockOrRefuse(world, path))
    return { release }
  } catch (error) {
    release()
    throw error
  }
}

function removeAll(world: World): string[] {
  const { directory, values, meta } = places(world)
  const ours = world.files
    .list(directory)
    .map((name) => `${directory}/${name}`)
    .filter((path) => path === meta || path === values || path.startsWith(`${values}.`) || path.startsWith(`${meta}.`))
  try {
    for (const path of ours) world.files.remove(path)
  } catch (error) {
    throw new LaunchError('failure', { what: "can't clear the cache", subject: directory, why: errnoWords(error) })
  }
  return ours
}

async function clearServers(world: World, names: readonly string[], registry: string | undefined): Promise<string[]> {
  const { context, servers } = select(world, names, registry)
  const store = await openStore(world, () => {})
  if (store instanceof LaunchError) throw store
  const lock = await lockAll(world, store.places)
  try {
    const specs = servers.flatMap((server) => specsOf(server).map(([, spec]) => spec))
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
