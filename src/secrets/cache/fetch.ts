import { LaunchError } from '../../errors.ts'
import type { World } from '../../world.ts'
import { isOnePassword } from '../ref.ts'
import { Secret } from '../secret.ts'
import { type Outcome, type Source, SourceError } from '../source.ts'
import { contentHash } from './content-hash.ts'
import { blockAfter, isBlocked } from './cooldown.ts'
import { judge } from './freshness.ts'
import { type Lock, waitForLock } from './lock.ts'
import type { Block, Meta, RefState } from './meta.ts'
import type { Wanted } from './policy.ts'
import { questionOf } from './question.ts'
import { blocksOf } from './standing.ts'
import type { Store } from './store.ts'
import type { CachedValue } from './values.ts'

/** What came of one reference. */
export interface Fetched {
  readonly item: Wanted
  readonly outcome: Outcome | 'fresh' | 'blocked'
}

export interface FetchOptions {
  /** Everything, or what is missing or will be before long. */
  readonly which: 'all' | 'due'
  /** Asks also for what was refused a short while ago: a person said so. */
  readonly evenIfBlocked: boolean
  /** How long one question may take, in milliseconds. */
  readonly limitMs: number
  /** The lock of a question (`question.ts`); undefined leaves it to whoever asks it already. */
  readonly lockFor: (question: string) => Lock | undefined | Promise<Lock | undefined>
  readonly tokenPrint: () => Promise<string | undefined>
  /** Told of each reference as it is settled. */
  readonly onFetched: (fetched: Fetched) => void
  readonly onPurged: (item: Wanted) => void
  readonly onBlocked: (what: string, block: Block) => void
}

/** More than writing takes, however many wait for it. */
const WRITE_LIMIT_MS = 20_000

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
  const print = items.some(({ ref }) => isOnePassword(ref)) ? await options.tokenPrint() : undefined
  let writing: Promise<void> = Promise.resolve()
  const inTurn = (write: () => Promise<void>): Promise<void> => {
    writing = writing.then(write, write)
    return writing
  }
  const ask = async ([question, group]: [string, Wanted[]]): Promise<void> => {
    const lock = await options.lockFor(question)
    if (lock === undefined) return
    try {
      const due = await dueOf(world, store, group, print, options)
      if (due.length === 0) return
      // Before the question: a file that changes meanwhile must not be taken for the one that was read.
      const hashes = new Map(due.map((item) => [item.key, contentHash(world, item.policy)]))
      const refs = due.map(({ ref }) => ref)
      const answer = await inner.resolve(refs, world.now() + options.limitMs)
      await inTurn(() => enter(world, store, due, answer, { print, hashes }, options))
    } finally {
      lock.release()
    }
  }
  await eachOf([...Map.groupBy(items, questionOf)], ask)
}

/** Some hundred password managers at once would get in each other's way. */
const AT_ONCE = 16

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
  print: string | undefined,
  options: FetchOptions,
): Promise<Wanted[]> {
  const [values, meta] = [await store.readValues(), store.readMeta()]
  return group.filter((item) => {
    const why = notDue(world, item, values.get(item.key), meta, print, options)
    if (why !== undefined) options.onFetched({ item, outcome: why })
    return why === undefined
  })
}

function notDue(
  world: World,
  item: Wanted,
  entry: CachedValue | undefined,
  meta: Meta,
  print: string | undefined,
  { which, evenIfBlocked }: FetchOptions,
): 'fresh' | 'blocked' | undefined {
  const { policy } = item
  const now = world.now()
  const verdict = judge(entry, policy, { now, maxStaleMs: 0, contentHash: undefined })
  if (which === 'due' && (policy.kind !== 'time' || verdict === 'fresh')) return 'fresh'
  if (evenIfBlocked) return undefined
  return blocksOf(meta, item).some((block) => isBlocked(block, now, print)) ? 'blocked' : undefined
}

interface Asked {
  readonly print: string | undefined
  readonly hashes: ReadonlyMap<string, string | undefined>
}

/** Enters the answers of one question into what the cache holds by now, and writes both files. */
async function enter(
  world: World,
  store: Store,
  group: readonly Wanted[],
  answer: ReadonlyMap<string, Outcome>,
  asked: Asked,
  options: FetchOptions,
): Promise<void> {
  const lock = await waitForLock(world, store.places.lock, world.now() + WRITE_LIMIT_MS)
  if (lock === undefined)
    throw new LaunchError('unavailable', { what: "can't use the cache", why: 'it is being written' })
  try {
    const page = new Page(world, await store.readValues(), store.readMeta(), options)
    const outcomes = group.map((item) => ({ item, outcome: answer.get(item.ref.text) ?? unanswered(item) }))
    page.enter(outcomes, asked)
    await page.write(store)
    for (const fetched of outcomes) options.onFetched(fetched)
  } finally {
    lock.release()
  }
}

/** The cache's content while an answer is entered into it. */
class Page {
  readonly #world: World
  readonly #options: FetchOptions
  readonly #values: Map<string, CachedValue>
  readonly #refs: Map<string, RefState>
  readonly #sources: Map<string, Block>

  constructor(world: World, values: ReadonlyMap<string, CachedValue>, meta: Meta, options: FetchOptions) {
    this.#world = world
    this.#options = options
    this.#values = new Map(values)
    this.#refs = new Map(Object.entries(meta.refs))
    this.#sources = new Map(Object.entries(meta.sources))
  }

  enter(outcomes: readonly { item: Wanted; outcome: Outcome }[], { print, hashes }: Asked): void {
    for (const { item, outcome } of outcomes) {
      if (outcome instanceof Secret) this.#enterValue(item, outcome, hashes.get(item.key))
      else this.#enterRefusal(item, outcome, print)
    }
    const source = outcomes[0]?.item.source
    if (source === undefined) return
    const answers = outcomes.map(({ outcome }) => outcome)
    const refusal = answers.find((answer) => concernsSource(answer))
    if (refusal !== undefined) this.#enterSource(source, refusal, print)
    else if (answers.some(isAnswer)) this.#sources.delete(source)
  }

  #enterValue(item: Wanted, value: Secret, contentHash: string | undefined): void {
    const now = this.#world.now()
    const before = this.#values.get(item.key)
    const changedAt = before?.value.equals(value) ? before.changedAt : now
    this.#values.set(item.key, {
      value,
      fetchedAt: now,
      changedAt,
      ...(contentHash === undefined ? {} : { contentHash }),
    })
    this.#refs.set(item.key, { text: item.ref.text, kind: item.ref.kind, attemptedAt: now, fetchedAt: now })
  }

  #enterRefusal(item: Wanted, error: LaunchError, tokenPrint: string | undefined): void {
    const now = this.#world.now()
    const previous = this.#refs.get(item.key)
    const isPurged = error instanceof SourceError && error.refusal === 'said-no' && this.#values.delete(item.key)
    if (isPurged) this.#options.onPurged(item)
    const isTokens = error instanceof SourceError && error.refusal === 'token-rejected'
    const blocked = blockAfter(previous?.error, error, now, isTokens ? tokenPrint : undefined)
    // What concerns the source is over when that is lifted, whichever reference lifts it.
    const block = isOwnLack(item, error) || concernsSource(error) ? { ...blocked, until: now } : blocked
    const { fetchedAt } = previous ?? {}
    this.#refs.set(item.key, {
      text: item.ref.text,
      kind: item.ref.kind,
      attemptedAt: now,
      ...(fetchedAt === undefined || isPurged ? {} : { fetchedAt }),
      error: block,
    })
  }

  /** One refusal that concerns the source blocks it for everybody. */
  #enterSource(source: string, error: LaunchError, tokenPrint: string | undefined): void {
    const block = blockAfter(this.#sources.get(source), error, this.#world.now(), tokenPrint)
    this.#sources.set(source, block)
    this.#options.onBlocked('1password', block)
  }

  async write(store: Store): Promise<void> {
    await store.write(this.#values, {
      format: 1,
      writtenAt: this.#world.now(),
      refs: Object.fromEntries(this.#refs),
      sources: Object.fromEntries(this.#sources),
    })
  }
}

function concernsSource(outcome: Outcome): outcome is SourceError {
  return outcome instanceof SourceError && outcome.concerns === 'source'
}

/** Whoever says a value, or a "no", can be asked. */
function isAnswer(outcome: Outcome): boolean {
  return outcome instanceof Secret || (outcome instanceof SourceError && outcome.refusal === 'said-no')
}

/** 1Password wasn't even asked: there is no token. It may be there the next time, and looking costs no request. */
function isOwnLack({ ref }: Wanted, error: LaunchError): boolean {
  return isOnePassword(ref) && !(error instanceof SourceError)
}

function unanswered({ ref }: Wanted): LaunchError {
  return new SourceError('unavailable', { what: "can't resolve", subject: ref.text, why: 'no answer' })
}
