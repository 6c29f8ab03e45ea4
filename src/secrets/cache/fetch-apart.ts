import { LaunchError } from '../../errors.ts'
import { isLocked, type Lock, tryLockForAnother } from '../../lock.ts'
import type { World } from '../../world.ts'
import type { Deadline, Outcome } from '../source.ts'
import { askerOf } from './asker.ts'
import type { Block, Meta, RefState } from './meta.ts'
import type { Wanted } from './policy.ts'
import { questionLock, questionOf } from './question.ts'
import { errorOf } from './refusals.ts'
import { assertRoom } from './room.ts'
import { errorFor } from './standing.ts'
import type { Store } from './store.ts'
import type { CachedValue } from './values.ts'

/** Starts a process that adopts the locks of these nonces, fetches what is due into the cache, and ends. */
export type StartFetch = (nonces: readonly string[]) => Promise<void>

const POLL_MS = 15
/** A fetch that ended without asking for ours was begun before we came, or was killed. */
const MOST_STARTS = 3

export interface Apart {
  readonly startFetch: StartFetch
  /** Whether a value that another launch had fetched meanwhile will do. */
  readonly isUsable: (item: Wanted, entry: CachedValue | undefined) => boolean
  /** What is not to be asked for now, and why, by {@link Wanted.key}. */
  readonly refusals: (items: readonly Wanted[]) => Promise<ReadonlyMap<string, LaunchError>>
}

/**
 * Has what is missing fetched by a process apart, one for everybody who waits, and waits for it until the deadline;
 * the fetch goes on after it. The answer is keyed by {@link Wanted.key}; what is absent wasn't answered in time.
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
  assertRoom(world, store)
  const wait = new Wait(world, store, how, deadline)
  const answers = async (): Promise<ReadonlyMap<string, Outcome>> => {
    const answered = await wait.answers(items)
    const rest = items.filter(({ key }) => !answered.has(key))
    // What was refused just before we came, and written down since, is asked for by nobody.
    return rest.length === 0 ? answered : new Map([...answered, ...(await how.refusals(rest))])
  }
  let open = items
  for (let starts = 0; world.now() < deadline; ) {
    if (starts === MOST_STARTS) throw fetchedInVain()
    if (await startApart(world, store, open, how.startFetch)) starts += 1
    await wait.untilFree(open)
    const answered = await answers()
    open = items.filter(({ key }) => !answered.has(key))
    if (open.length === 0) break
    await world.sleep(POLL_MS)
  }
  return answers()
}

function fetchedInVain(): LaunchError {
  return new LaunchError('failure', { what: "can't use the cache", why: 'nothing that is fetched arrives in it' })
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

/** What has been answered since we wait. */
class Wait {
  readonly #world: World
  readonly #store: Store
  readonly #how: Apart
  readonly #deadline: Deadline
  readonly #since: number
  readonly #asker: string

  constructor(world: World, store: Store, how: Apart, deadline: Deadline) {
    this.#world = world
    this.#store = store
    this.#how = how
    this.#deadline = deadline
    this.#since = world.now()
    this.#asker = askerOf(world)
  }

  async answers(items: readonly Wanted[]): Promise<ReadonlyMap<string, Outcome>> {
    const [values, meta] = [await this.#store.readValues(), this.#store.readMeta()]
    const found = items.map((item) => [item.key, this.#outcome(item, values.get(item.key), meta)] as const)
    return new Map(found.filter((pair): pair is [string, Outcome] => pair[1] !== undefined))
  }

  #outcome(item: Wanted, entry: CachedValue | undefined, meta: Meta): Outcome | undefined {
    const error = this.#error(meta.refs[item.key])
    if (error !== undefined) return errorOf(error)
    return this.#isOfLate(entry?.fetchedAt) || this.#how.isUsable(item, entry) ? entry?.value : undefined
  }

  /** Returns when all are settled, when one that isn't is asked for by nobody, or when the time is up. */
  async untilFree(items: readonly Wanted[]): Promise<void> {
    const [world, store] = [this.#world, this.#store]
    const isAsked = (item: Wanted): boolean => isLocked(world, questionLock(world, store.places, questionOf(item)))
    while (world.now() < this.#deadline) {
      const isFree = items.map((item) => [item, !isAsked(item)] as const)
      const meta = store.readMeta()
      const open = isFree.filter(([{ key }]) => !this.#isSettled(meta.refs[key]))
      if (open.length === 0 || open.some(([, free]) => free)) return
      await world.sleep(POLL_MS)
    }
  }

  /** Whether it was asked for with a value for an answer, or with an error that is ours too. */
  #isSettled(state: RefState | undefined): boolean {
    const isValue = state?.error === undefined && Object.keys(state?.errors ?? {}).length === 0
    return isValue ? this.#isOfLate(state?.attemptedAt) : this.#error(state) !== undefined
  }

  /** What went wrong with it, here or for everybody: what did for another client alone is no answer for us. */
  #error(state: RefState | undefined): Block | undefined {
    const error = errorFor(this.#asker, state)
    return error !== undefined && this.#isOfLate(error.at) ? error : undefined
  }

  /** A time that is still to come was written down before the clock was set back. */
  #isOfLate(time: number | undefined): boolean {
    return time !== undefined && time >= this.#since && time <= this.#world.now()
  }
}
