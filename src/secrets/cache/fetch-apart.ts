import { LaunchError } from '../../errors.ts'
import type { World } from '../../world.ts'
import { type Deadline, type Outcome, SourceError } from '../source.ts'
import { isBlocked } from './cooldown.ts'
import { isLocked, type Lock, tryLockForAnother } from './lock.ts'
import type { Block, Meta } from './meta.ts'
import type { Wanted } from './policy.ts'
import { questionLock, questionOf } from './question.ts'
import { blocksOf } from './standing.ts'
import type { Store } from './store.ts'
import type { CachedValue } from './values.ts'

/** Starts a process that adopts the locks of these nonces, fetches what is due into the cache, and ends. */
export type StartFetch = (nonces: readonly string[]) => Promise<void>

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
  const blocks = items.flatMap((item) =>
    blocksOf(meta, item).flatMap((block) => (isBlocked(block, now) ? [{ key: item.key, block }] : [])),
  )
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
  let open = asked
  for (let starts = 0; world.now() < deadline; ) {
    if (starts === MOST_STARTS) throw fetchedInVain()
    if (await startApart(world, store, open, startFetch)) starts += 1
    await untilFree(world, store, open, since, deadline)
    const answered = await answers()
    open = asked.filter(({ key }) => !answered.has(key))
    if (open.length === 0) return
    await world.sleep(POLL_MS)
  }
}

/**
 * Starts one process for all questions of these items that nobody asks at the moment.
 *
 * @returns false if others ask all of them.
 */
export async function startApart(
  world: World,
  store: Store,
  items: readonly Wanted[],
  startFetch: StartFetch,
): Promise<boolean> {
  const locks: Lock[] = []
  try {
    for (const question of new Set(items.map(questionOf))) {
      const lock = tryLockForAnother(world, questionLock(world, store.places, question))
      if (lock !== undefined) locks.push(lock)
    }
    if (locks.length > 0) await startFetch(locks.map(({ nonce }) => nonce))
  } catch (error) {
    for (const lock of locks) lock.release()
    throw error
  }
  return locks.length > 0
}

function fetchedInVain(): LaunchError {
  return new LaunchError('failure', { what: "can't use the cache", why: 'nothing that is fetched arrives in it' })
}

/** Returns when all are settled, when one that isn't is asked for by nobody, or when the time is up. */
async function untilFree(
  world: World,
  store: Store,
  items: readonly Wanted[],
  since: number,
  deadline: Deadline,
): Promise<void> {
  const isAsked = (item: Wanted): boolean => isLocked(world, questionLock(world, store.places, questionOf(item)))
  while (world.now() < deadline) {
    const isFree = items.map((item) => [item, !isAsked(item)] as const)
    const meta = store.readMeta()
    const open = isFree.filter(([{ key }]) => !isSettled(world, meta, key, since))
    if (open.length === 0 || open.some(([, free]) => free)) return
    await world.sleep(POLL_MS)
  }
}
