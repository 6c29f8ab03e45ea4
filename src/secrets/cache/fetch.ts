import { LaunchError } from '../../errors.ts'
import { type Lock, WRITING_MS, waitForLock } from '../../lock.ts'
import type { World } from '../../world.ts'
import { refName } from '../ref.ts'
import { type Deadline, type Outcome, type Source, SourceError } from '../source.ts'
import type { Token } from '../token.ts'
import { askerOf } from './asker.ts'
import { contentHash } from './content-hash.ts'
import { judge } from './freshness.ts'
import type { Meta } from './meta.ts'
import { type Answered, type Asked, Page, type PageOptions, refusalOfSource } from './page.ts'
import type { Wanted } from './policy.ts'
import { questionOf } from './question.ts'
import { stillRefused } from './refusals.ts'
import { assertRoom } from './room.ts'
import { blocksFor, holding } from './standing.ts'
import type { Store } from './store.ts'
import type { CachedValue } from './values.ts'

/** What came of one reference. */
export interface Fetched {
  readonly item: Wanted
  readonly outcome: Outcome | 'fresh' | 'blocked'
  /** Of one that is blocked and would have been renewed: why. */
  readonly refused?: LaunchError
}

export interface FetchOptions extends PageOptions {
  /** Everything, or what is missing or will be before long. */
  readonly which: 'all' | 'due'
  /** Asks also for what was refused a short while ago: a person said so. */
  readonly evenIfBlocked: boolean
  /** How long one question may take, in milliseconds. */
  readonly limitMs: number
  /** The lock of a question (`question.ts`); undefined leaves it to whoever asks it already. */
  readonly lockFor: (question: string) => Lock | undefined | Promise<Lock | undefined>
  /** See `CacheOptions`. */
  readonly tokenPrint: Token['print']
  /** Told of what is going to be asked together; what it returns is called when that has ended. */
  readonly onAsking: (items: readonly Wanted[]) => () => void
  /** Told of each reference as it is settled. */
  readonly onFetched: (fetched: Fetched) => void
}

/**
 * Asks the source for whatever is due and puts it into the cache. Questions are asked side by side, each under its own
 * lock, and each answer is written as soon as it is there.
 */
export async function fetchDue(
  world: World,
  store: Store,
  inner: Source,
  items: readonly Wanted[],
  options: FetchOptions,
): Promise<void> {
  let writing: Promise<void> = Promise.resolve()
  const inTurn = (write: () => Promise<void>): Promise<void> => {
    writing = writing.then(write, write)
    return writing
  }
  const ask = async ([question, group]: [string, Wanted[]]): Promise<void> => {
    const lock = await options.lockFor(question)
    if (lock === undefined) return
    try {
      const since = world.now()
      const deadline = since + options.limitMs
      const due = await dueOf(world, store, group, deadline, options)
      if (due.length === 0) return
      assertRoom(world, store)
      // Before the question: a file that changes meanwhile must not be taken for the one that was read.
      const hashes = new Map(due.map((item) => [item.key, contentHash(world, item.policy)]))
      const refs = due.map(({ ref }) => ref)
      const ended = options.onAsking(due)
      const answer = await inner.resolve(refs, deadline).finally(ended)
      const answers = due.map((item): Answered => {
        return { item, outcome: answer.get(item.ref.text) ?? unanswered(item), contentHash: hashes.get(item.key) }
      })
      const tokenPrint = refusalOfSource(answers) === undefined ? undefined : await options.tokenPrint(deadline)
      await inTurn(() => enter(world, store, lock, answers, { since, tokenPrint }, options))
    } finally {
      lock.release()
    }
  }
  await eachOf([...Map.groupBy(items, questionOf)], ask)
}

/** How many are asked at once: some hundred password managers would get in each other's way. */
export const AT_ONCE = 16

/** Does this to all, some at a time; throws the first failure when all have ended. */
async function eachOf<T>(things: readonly T[], act: (thing: T) => Promise<void>): Promise<void> {
  const rest = [...things]
  const failures: unknown[] = []
  const worker = async (): Promise<void> => {
    for (let thing = rest.shift(); thing !== undefined; thing = rest.shift()) {
      await act(thing).catch((error: unknown) => failures.push(error))
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  if (failures.length > 0) throw failures[0]
}

async function dueOf(
  world: World,
  store: Store,
  group: readonly Wanted[],
  deadline: Deadline,
  options: FetchOptions,
): Promise<Wanted[]> {
  const [values, meta] = [await store.readValues(), store.readMeta()]
  const due: Wanted[] = []
  for (const item of group) {
    const notAsked = await notDue(world, item, values.get(item.key), meta, deadline, options)
    if (notAsked === undefined) due.push(item)
    else options.onFetched(notAsked)
  }
  return due
}

async function notDue(
  world: World,
  item: Wanted,
  entry: CachedValue | undefined,
  meta: Meta,
  deadline: Deadline,
  { which, evenIfBlocked, tokenPrint }: FetchOptions,
): Promise<Fetched | undefined> {
  const { policy } = item
  const now = world.now()
  const verdict = judge(entry, policy, { now, maxStaleMs: 0, contentHash: undefined })
  if (which === 'due' && (policy.kind !== 'time' || verdict === 'fresh')) return { item, outcome: 'fresh' }
  if (evenIfBlocked) return undefined
  const block = await holding(blocksFor(askerOf(world), meta, item), now, () => tokenPrint(deadline))
  if (block === undefined) return undefined
  return { item, outcome: 'blocked', ...(verdict === 'fresh' ? {} : { refused: stillRefused(block, now) }) }
}

/** Enters the answers of one question into what the cache holds by now, and writes both files. */
async function enter(
  world: World,
  store: Store,
  question: Lock,
  answers: readonly Answered[],
  asked: Asked,
  options: FetchOptions,
): Promise<void> {
  const lock = await waitForLock(world, store.places.lock, world.now() + WRITING_MS)
  if (lock === undefined)
    throw new LaunchError('unavailable', { what: "can't use the cache", why: 'it is being written' })
  try {
    if (!question.isOurs()) throw overtaken()
    const page = new Page(world, await store.readValues(), store.readMeta(), options)
    page.enter(answers, asked)
    await page.write(store, lock)
    for (const { item, outcome } of answers) options.onFetched({ item, outcome })
  } finally {
    lock.release()
  }
}

/** It was stopped for longer than it may ask, or what it asked for was cleared. */
function overtaken(): LaunchError {
  return new LaunchError('unavailable', {
    what: "can't keep what was fetched",
    why: 'it took too long, or was cleared meanwhile',
    hint: 'ask again: mcp-launch secrets refresh',
  })
}

function unanswered({ ref }: Wanted): LaunchError {
  return new SourceError('unavailable', { what: "can't resolve", subject: refName(ref), why: 'no answer' })
}
