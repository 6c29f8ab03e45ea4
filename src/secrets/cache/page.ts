import type { LaunchError } from '../../errors.ts'
import type { Lock } from '../../lock.ts'
import type { World } from '../../world.ts'
import { Secret } from '../secret.ts'
import { type Concern, type Outcome, SourceError } from '../source.ts'
import { askerOf } from './asker.ts'
import { blockAfter } from './cooldown.ts'
import type { Block, Meta, RefState } from './meta.ts'
import type { Wanted } from './policy.ts'
import type { Store } from './store.ts'
import { type CachedValue, useOf } from './values.ts'

/** What came of one reference of a question. */
export interface Answered {
  readonly item: Wanted
  readonly outcome: Outcome
  /** Of the file that the value came from, before it was read. */
  readonly contentHash?: string | undefined
}

/** How a question was asked. */
export interface Asked {
  /** Milliseconds since the epoch. */
  readonly since: number
  /** Of the 1Password token, as far as it is known. */
  readonly tokenPrint: string | undefined
}

/** For how long values are kept, and who is told of what the answers did besides. */
export interface PageOptions {
  /** For how long a value may be served after its time, in milliseconds. */
  readonly maxStaleMs: number
  readonly onPurged: (item: Wanted) => void
  readonly onBlocked: (what: string, block: Block) => void
}

/** What asker-bound failures of others are kept for: as long as they block, and grow. */
const KEPT_MS = 24 * 60 * 60_000

/** The cache's content while the answers to one question are entered into it. To be used under the lock. */
export class Page {
  readonly #now: number
  readonly #asker: string
  readonly #options: PageOptions
  readonly #values: Map<string, CachedValue>
  readonly #refs: Map<string, RefState>
  readonly #sources: Map<string, Block>

  constructor(world: World, values: ReadonlyMap<string, CachedValue>, meta: Meta, options: PageOptions) {
    this.#now = world.now()
    this.#asker = askerOf(world)
    this.#options = options
    this.#values = new Map(values)
    this.#refs = new Map(Object.entries(meta.refs))
    this.#sources = new Map(Object.entries(meta.sources))
  }

  enter(answers: readonly Answered[], asked: Asked): void {
    for (const { item, outcome, contentHash } of answers) {
      if (outcome instanceof Secret) this.#enterValue(item, outcome, contentHash)
      else this.#enterRefusal(item, outcome)
    }
    const source = answers[0]?.item.source
    if (source === undefined) return
    const refusal = refusalOfSource(answers)
    if (refusal !== undefined) this.#enterSource(source, refusal, asked)
    else if (answers.some(isAnswer)) this.#sources.delete(source)
    if (refusal?.refusal === 'token-rejected') this.#setWithdrawn(source, true)
    else if (answers.some(({ outcome }) => outcome instanceof Secret)) this.#setWithdrawn(source, false)
  }

  /** Of all values of the account, asked for or not: they are used up to their time, and not beyond it. */
  #setWithdrawn(source: string, isWithdrawn: boolean): void {
    for (const [key, value] of this.#values) {
      if (value.source === source) this.#values.set(key, { ...value, isWithdrawn })
    }
  }

  #enterValue(item: Wanted, value: Secret, contentHash: string | undefined): void {
    const { key, policy, source } = item
    const now = this.#now
    const before = this.#values.get(key)
    const changedAt = before?.value.equals(value) ? before.changedAt : now
    const from = {
      ...(contentHash === undefined ? {} : { contentHash }),
      ...(source === undefined ? {} : { source }),
    }
    const use = useOf(policy, now, this.#options.maxStaleMs)
    this.#values.set(key, { value, fetchedAt: now, changedAt, ...use, ...from })
    this.#refs.set(key, this.#asked(item))
  }

  #asked({ ref, source }: Wanted): RefState {
    return { text: ref.text, kind: ref.kind, attemptedAt: this.#now, ...(source === undefined ? {} : { source }) }
  }

  #enterRefusal(item: Wanted, error: LaunchError): void {
    const { key } = item
    const isPurged = error instanceof SourceError && error.refusal === 'said-no' && this.#values.delete(key)
    if (isPurged) this.#options.onPurged(item)
    this.#refs.set(key, { ...this.#asked(item), ...this.#errors(item, this.#refs.get(key) ?? {}, error) })
  }

  #errors(item: Wanted, previous: Pick<RefState, 'error' | 'errors'>, error: LaunchError) {
    const now = this.#now
    const concern = concernOf(error)
    const last = concern === 'asker' ? previous.errors?.[this.#asker] : previous.error
    const block = blockAfter(last, error, now)
    const others = Object.entries(previous.errors ?? {}).filter(([, { at }]) => Math.abs(now - at) < KEPT_MS)
    if (concern !== 'asker') {
      // What concerns the source is over when that is lifted, whichever reference lifts it.
      const own = concern === 'source' ? { ...block, until: now } : block
      return { error: own, errors: Object.fromEntries(others) }
    }
    if (item.ref.kind === 'command' && block.until > now) this.#options.onBlocked(item.ref.text, block)
    const before = previous.error === undefined ? {} : { error: previous.error }
    return { ...before, errors: { ...Object.fromEntries(others), [this.#asker]: block } }
  }

  /** One refusal that concerns the source blocks it for everybody; of several at the same moment the first counts. */
  #enterSource(source: string, error: SourceError, { since, tokenPrint }: Asked): void {
    const previous = this.#sources.get(source)
    if (previous?.refusal === error.refusal && previous.at >= since && previous.at <= this.#now) return
    const block = blockAfter(previous, error, this.#now, tokenPrint)
    this.#sources.set(source, block)
    this.#options.onBlocked('1password', block)
  }

  async write(store: Store, lock: Lock): Promise<void> {
    const meta: Meta = {
      format: 1,
      writtenAt: this.#now,
      refs: Object.fromEntries(this.#refs),
      sources: Object.fromEntries(this.#sources),
    }
    await store.write(this.#values, meta, lock)
  }
}

/** The refusal, if there is one, that meant the source and no single reference. */
export function refusalOfSource(answers: readonly Answered[]): SourceError | undefined {
  return answers.map(({ outcome }) => outcome).find((outcome) => isOfSource(outcome))
}

function isOfSource(outcome: Outcome): outcome is SourceError {
  return outcome instanceof SourceError && outcome.concerns === 'source'
}

/** Whoever says a value, or a "no", can be asked. */
function isAnswer({ outcome }: Answered): boolean {
  return outcome instanceof Secret || (outcome instanceof SourceError && outcome.refusal === 'said-no')
}

/** What isn't a remote source's own refusal may be another in another environment: a program's, or its token's. */
function concernOf(error: LaunchError): Concern {
  return error instanceof SourceError ? error.concerns : 'asker'
}
