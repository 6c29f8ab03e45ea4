import { audit } from '../../audit.ts'
import { errnoWords, LaunchError } from '../../errors.ts'
import { WRITING_MS } from '../../lock.ts'
import { places } from '../../secrets/cache/places.ts'
import { questionLock, questionLocks, questionOf } from '../../secrets/cache/question.ts'
import { openStore } from '../../secrets/cache/store.ts'
import { allWanted, specsOf } from '../../secrets/open.ts'
import type { World } from '../../world.ts'
import { lockOrRefuse } from './lock-or-refuse.ts'
import { select } from './selection.ts'

/**
 * `mcp-launch secrets clear [server…]`: takes the values of these servers out of the cache, or all of it, with what
 * was set aside as damaged. What is cleared is nowhere on the disk any more, and is asked for at the next launch. It
 * waits for no fetch: one that is under way loses its lock, without which its answer isn't written.
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

/** At once, which a full disk can't prevent, and again when nobody writes: drafts are then nobody's. */
async function clearAll(world: World): Promise<string[]> {
  const where = places(world)
  const { directory, values, meta } = where
  const cleared = removeAll(world, (path) => [values, meta, `${values}.damaged`].includes(path))
  if (world.files.stat(directory) === undefined) return cleared
  const lock = await lockOrRefuse(world, where.lock, WRITING_MS)
  try {
    for (const path of questionLocks(world, where)) world.files.remove(path)
    const isOurs = (path: string): boolean => [values, meta].some((one) => path === one || path.startsWith(`${one}.`))
    return [...new Set([...cleared, ...removeAll(world, isOurs)])]
  } finally {
    lock.release()
  }
}

function removeAll(world: World, isOurs: (path: string) => boolean): string[] {
  const { directory } = places(world)
  const ours = world.files
    .list(directory)
    .map((name) => `${directory}/${name}`)
    .filter(isOurs)
  try {
    for (const path of ours) world.files.remove(path)
  } catch (error) {
    throw new LaunchError('failure', { what: "can't clear the cache", subject: directory, why: errnoWords(error) })
  }
  return ours
}

async function clearServers(world: World, names: readonly string[], registry: string | undefined): Promise<string[]> {
  const { context, servers } = select(world, names, registry)
  const store = await openStore(world, (file, why) => audit(world, { event: 'damage', file, why }))
  if (store instanceof LaunchError) throw store
  const lock = await lockOrRefuse(world, store.places.lock, WRITING_MS)
  try {
    const specs = servers.flatMap((server) => specsOf(server).map(([, spec]) => spec))
    const items = allWanted(world, context, specs)
    for (const item of items) world.files.remove(questionLock(world, store.places, questionOf(item)))
    const values = new Map(await store.readValues())
    const meta = store.readMeta()
    const refs = new Map(Object.entries(meta.refs))
    const cleared = items.filter(({ key }) => [values.delete(key), refs.delete(key)].includes(true))
    await store.write(values, { ...meta, refs: Object.fromEntries(refs) }, lock)
    world.files.remove(`${store.places.values}.damaged`)
    return cleared.map(({ ref }) => ref.text)
  } finally {
    lock.release()
  }
}
