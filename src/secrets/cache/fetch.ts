import type { LaunchError } from '../../errors.ts'
import type { World } from '../../world.ts'
import { Secret } from '../secret.ts'
import { type Deadline, type Outcome, type Source, SourceError } from '../source.ts'
import { contentHash } from './content-hash.ts'
import { blockAfter, isBlocked } from './cooldown.ts'
import { judge } from './freshness.ts'
import type { Block, Meta, RefState } from './meta.ts'
import type { Wanted } from './policy.ts'
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
  readonly deadline: Deadline
  readonly tokenPrint: () => Promise<string | undefined>
  /** Told of each reference as it is settled. */
  readonly onFetched: (fetched: Fetched) => void
  readonly onPurged: (item: Wanted) => void
  readonly onBlocked: (what: string, block: Block) => void
}

/**
 * Asks the source for whatever is due and puts it into the cache, under the caller's lock. References of one remote
 * kind are one question; different kinds are asked side by side, and each is written as soon as it is there.
 */
export async function fetchDue(
  world: World,
  store: Store,
  inner: Source,
  items: readonly Wanted[],
  options: FetchOptions,
): Promise<void> {
  const book = new Book(world, store, await store.readValues(), store.readMeta(), options)
  const print = items.some(({ ref }) => ref.kind === 'op') ? await options.tokenPrint() : undefined
  const due = items.filter((item) => {
    const why = book.notDue(item, print)
    if (why !== undefined) options.onFetched({ item, outcome: why })
    return why === undefined
  })
  const groups = Map.groupBy(due, ({ ref, key }) => (ref.kind === 'command' ? key : ref.kind))
  await Promise.all(
    [...groups.values()].map(async (group) => {
      const refs = group.map(({ ref }) => ref)
      // Before the question: a file that changes meanwhile must not be taken for the one that was read.
      const hashes = new Map(group.map((item) => [item.key, contentHash(world, item.policy)]))
      await book.enter(group, await inner.resolve(refs, options.deadline), { print, hashes })
    }),
  )
}

/** The cache's content while it is being changed: several questions are under way, and each answer is entered whole. */
class Book {
  readonly #world: World
  readonly #store: Store
  readonly #options: FetchOptions
  readonly #values: Map<string, CachedValue>
  readonly #refs: Map<string, RefState>
  readonly #sources: Map<string, Block>
  #writing: Promise<void> = Promise.resolve()

  constructor(world: World, store: Store, values: ReadonlyMap<string, CachedValue>, meta: Meta, options: FetchOptions) {
    this.#world = world
    this.#store = store
    this.#options = options
    this.#values = new Map(values)
    this.#refs = new Map(Object.entries(meta.refs))
    this.#sources = new Map(Object.entries(meta.sources))
  }

  notDue({ key, ref, policy }: Wanted, tokenPrint: string | undefined): 'fresh' | 'blocked' | undefined {
    const { which, evenIfBlocked } = this.#options
    const now = this.#world.now()
    const verdict = judge(this.#values.get(key), policy, { now, maxStaleMs: 0, contentHash: undefined })
    if (which === 'due' && (policy.kind !== 'time' || verdict === 'fresh')) return 'fresh'
    if (evenIfBlocked) return undefined
    const blocks = [this.#refs.get(key)?.error, this.#sources.get(ref.kind)]
    return blocks.some((block) => isBlocked(block, now, tokenPrint)) ? 'blocked' : undefined
  }

  /** Enters the answers of one question and writes both files. */
  enter(
    group: readonly Wanted[],
    answer: ReadonlyMap<string, Outcome>,
    { print, hashes }: { print: string | undefined; hashes: ReadonlyMap<string, string | undefined> },
  ): Promise<void> {
    const wholeSource = new Set<LaunchError>()
    for (const item of group) {
      const outcome = answer.get(item.ref.text) ?? unanswered(item)
      if (outcome instanceof Secret) this.#enterValue(item, outcome, hashes.get(item.key))
      else this.#enterRefusal(item, outcome, print)
      if (outcome instanceof SourceError && outcome.refusal !== 'said-no') wholeSource.add(outcome)
      this.#options.onFetched({ item, outcome })
    }
    const kind = group[0]?.ref.kind
    if (kind === 'op' || kind === 'op-env') this.#enterSource(kind, [...wholeSource][0], print)
    this.#writing = this.#writing.then(() => this.#write())
    return this.#writing
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
    const block = blockAfter(previous?.error, error, now, isTokens ? tokenPrint : undefined)
    const { fetchedAt } = previous ?? {}
    this.#refs.set(item.key, {
      text: item.ref.text,
      kind: item.ref.kind,
      attemptedAt: now,
      ...(fetchedAt === undefined || isPurged ? {} : { fetchedAt }),
      error: block,
    })
  }

  /** One refusal that meant the whole source blocks it for everybody; any other answer lifts the block. */
  #enterSource(kind: string, error: LaunchError | undefined, tokenPrint: string | undefined): void {
    if (error === undefined) {
      this.#sources.delete(kind)
      return
    }
    const block = blockAfter(this.#sources.get(kind), error, this.#world.now(), tokenPrint)
    this.#sources.set(kind, block)
    this.#options.onBlocked(kind, block)
  }

  async #write(): Promise<void> {
    await this.#store.write(this.#values, {
      format: 1,
      writtenAt: this.#world.now(),
      refs: Object.fromEntries(this.#refs),
      sources: Object.fromEntries(this.#sources),
    })
  }
}

function unanswered({ ref }: Wanted): LaunchError {
  return new SourceError('unavailable', { what: "can't resolve", subject: ref.text, why: 'no answer' })
}
