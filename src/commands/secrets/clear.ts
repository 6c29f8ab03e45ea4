import { audit } from '../../audit.ts'
import { errnoWords, LaunchError } from '../../errors.ts'
import { WRITING_MS } from '../../lock.ts'
import { places } from '../../secrets/cache/places.ts'
import { questionLock, questionLocks, questionOf } from '../../secrets/cache/question.ts'
import { openStore } from '../../secrets/cache/store.ts'
import { allWanted, specsOf } from '../../secrets/open.ts'
import type { Ref } from '../../secrets/ref.ts'
import type { World } from '../../world.ts'
import { lockOrRefuse } from './lock-or-refuse.ts'
import { type Selection, select } from './selection.ts'

/**
 * `mcp-launch secrets clear [server or reference…]`: takes the values of these servers, or these values, out of the
 * cache, or all of it, with what was set aside as damaged. What is cleared is nowhere on the disk any more, and is asked for at the next launch. It
 * waits for no fetch: one that is under way loses its lock, without which its answer isn't written.
 */
export async function clear(
  world: World,
  names: readonly string[],
  options: { readonly registry?: string; readonly json?: boolean },
): Promise<void> {
  const cleared = names.length === 0 ? await clearAll(world) : await clearNamed(world, names, options.registry)
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

/** What stands under this key, and what it is called. */
interface Item {
  readonly key: string
  readonly ref: Pick<Ref, 'kind' | 'text'>
  readonly source?: string | undefined
}

/** A reference needs no registry: it may stand in none any more. */
async function clearNamed(world: World, names: readonly string[], registry: string | undefined): Promise<string[]> {
  const [texts, servers] = [names.filter(isReference), names.filter((name) => !isReference(name))]
  const ofServers = servers.length === 0 ? [] : itemsOf(world, select(world, servers, registry))
  const store = await openStore(world, (file, why) => audit(world, { event: 'damage', file, why }))
  if (store instanceof LaunchError) throw store
  const lock = await lockOrRefuse(world, store.places.lock, WRITING_MS)
  try {
    const values = new Map(await store.readValues())
    const meta = store.readMeta()
    const refs = new Map(Object.entries(meta.refs))
    const named = (key: string): Item => {
      const { source } = refs.get(key) ?? values.get(key) ?? {}
      // A value without a state has no name but its key.
      const unnamed = { kind: source === undefined ? 'command' : 'op', text: key } as const
      return { key, ref: refs.get(key) ?? unnamed, source }
    }
    const known = [...values.keys(), ...refs.keys()].map(named)
    const items = [...ofServers, ...known.filter(({ key, ref }) => texts.includes(key) || texts.includes(ref.text))]
    for (const item of items) world.files.remove(questionLock(world, store.places, questionOf(item)))
    const cleared = items.filter(({ key }) => [values.delete(key), refs.delete(key)].includes(true))
    await store.write(values, { ...meta, refs: Object.fromEntries(refs) }, lock)
    world.files.remove(`${store.places.values}.damaged`)
    return cleared.map(({ ref }) => ref.text)
  } finally {
    lock.release()
  }
}

/** No server has such a name. */
function isReference(name: string): boolean {
  return /[:{]/.test(name)
}

function itemsOf(world: World, { context, servers }: Selection): readonly Item[] {
  const specs = servers.flatMap((server) => specsOf(server).map(([, spec]) => spec))
  return allWanted(world, context, specs)
}
