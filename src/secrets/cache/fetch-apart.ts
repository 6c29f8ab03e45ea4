import { LaunchError } from '../../errors.ts'
import type { World } from '../../world.ts'
import { type Deadline, type Outcome, SourceError } from '../source.ts'
import { isBlocked } from './cooldown.ts'
import { isLocked, tryLockForAnother } from './lock.ts'
import type { Block, Meta } from './meta.ts'
import type { Wanted } from './policy.ts'
import type { Store } from './store.ts'
import type { CachedValue } from './values.ts'

/** Starts a process that adopts the lock of this nonce, fetches what is due into the cache, and ends. */
export type StartFetch = (nonce: string) => Promise<void>

const POLL_MS = 15
/** A fetch that ended without asking for ours was begun before we came, or was killed. */
const MOST_STARTS = 3

export interface Apart {
  readonly startFetch: StartFetch
  readonly tokenPrint: () => Promise<string | undefined>
  /** Whether a value that another launch had fetched meanwhile will do. */
  readonly isUsable: (item: Wanted, entry: CachedValue | undefined) => boolean
}

/**
 * Has what is missing fetched by a process apart, one for everybody who waits, and waits for it until the deadline;
 * the fetch goes on after it. The answer is keyed by {@link Wanted.key}; what is absent wasn't answered in time.
 * What was refused a short while ago is not asked for again: the same refusal is the answer.
 *
 * @throws where no such process can be had or it can't write its answers, so that the caller asks the source itself.
 */
export async function fetchApart(
  world: World,
  store: Store,
  items: readonly Wanted[],
  how: Apart,
  deadline: Deadline,
): Promise<ReadonlyMap<string, Outcome>> {
  const since = world.now()
  const refused = await refusals(world, store.readMeta(), items, how.tokenPrint)
  const asked = items.filter(({ key }) => !refused.has(key))
  if (asked.length === 0) return refused
  const answers = async (): Promise<Map<string, Outcome>> => {
    const [values, meta] = [await store.readValues(), store.readMeta()]
    const found = asked.map(
      (item) => [item.key, outcomeOf(world, item, values.get(item.key), meta, since, how)] as const,
    )
    return new Map(found.filter((pair): pair is [string, Outcome] => pair[1] !== undefined))
  }
  await waitForFetch(world, store, asked, how.startFetch, answers, { since, deadline })
  return new Map([...refused, ...(await answers())])
}

function outcomeOf(
  world: World,
  item: Wanted,
  entry: CachedValue | undefined,
  meta: Meta,
  since: number,
  { isUsable }: Apart,
): Outcome | undefined {
  const error = meta.refs[item.key]?.error
  const isAnswered = isSettled(world, meta, item.key, since)
  if (isAnswered && error !== undefined) return errorOf(error)
  return isAnswered || isUsable(item, entry) ? entry?.value : undefined
}

/** A time that is still to come was written down before the clock was set back. */
function isSettled(world: World, meta: Meta, key: string, since: number): boolean {
  const attemptedAt = meta.refs[key]?.attemptedAt ?? 0
  return attemptedAt >= since && attemptedAt <= world.now()
}

/** What was refused a short while ago and is not to be asked for now, by {@link Wanted.key}. */
export async function refusals(
  world: World,
  meta: Meta,
  items: readonly Wanted[],
  tokenPrint: () => Promise<string | undefined>,
): Promise<Map<string, LaunchError>> {
  const now = world.now()
  const blocks = items.flatMap(({ key, ref }) => {
    const block = [meta.refs[key]?.error, meta.sources[ref.kind]].find((one) => isBlocked(one, now))
    return block === undefined ? [] : [{ key, block }]
  })
  const print = blocks.some(({ block }) => block.tokenPrint !== undefined) ? await tokenPrint() : undefined
  const holding = blocks.filter(({ block }) => isBlocked(block, now, print))
  return new Map(holding.map(({ key, block }) => [key, errorOf(block, now)]))
}

/** The refusal as it was said, with the time until it is asked again. */
function errorOf(block: Block, now?: number): LaunchError {
  const again =
    now === undefined
      ? ''
      : `; not asked again for ${Math.ceil((block.until - now) / 1000)} s (mcp-launch secrets refresh asks now)`
  const fault = { what: `${block.message}${again}`, ...(block.hint === undefined ? {} : { hint: block.hint }) }
  return block.refusal === 'failure' ? new LaunchError('failure', fault) : new SourceError(block.refusal, fault)
}

async function waitForFetch(
  world: World,
  store: Store,
  asked: readonly Wanted[],
  startFetch: StartFetch,
  answers: () => Promise<ReadonlyMap<string, Outcome>>,
  { since, deadline }: { since: number; deadline: Deadline },
): Promise<void> {
  const path = store.places.lock
  for (let starts = 0; world.now() < deadline; ) {
    if (starts === MOST_STARTS) throw fetchedInVain()
    const own = tryLockForAnother(world, path)
    if (own !== undefined) {
      starts += 1
      await startFetch(own.nonce).catch((error: unknown) => {
        own.release()
        throw error
      })
    }
    await untilFree(world, store, asked, since, deadline)
    if ((await answers()).size === asked.length) return
    await world.sleep(POLL_MS)
  }
}

function fetchedInVain(): LaunchError {
  return new LaunchError('failure', { what: "can't use the cache", why: 'nothing that is fetched arrives in it' })
}

/** Returns when all are settled, when nobody fetches any more, or when the time is up. */
async function untilFree(
  world: World,
  store: Store,
  asked: readonly Wanted[],
  since: number,
  deadline: Deadline,
): Promise<void> {
  while (world.now() < deadline && isLocked(world, store.places.lock)) {
    const meta = store.readMeta()
    if (asked.every(({ key }) => isSettled(world, meta, key, since))) return
    await world.sleep(POLL_MS)
  }
}
