import { LaunchError } from '../../errors.ts'
import { tryLock } from '../../lock.ts'
import type { Settings } from '../../registry/entry.ts'
import { span } from '../../span.ts'
import type { World } from '../../world.ts'
import { type Ref, refName } from '../ref.ts'
import { Secret } from '../secret.ts'
import type { Deadline, Outcome, Source } from '../source.ts'
import type { Token } from '../token.ts'
import { cacheError } from './cache-error.ts'
import { fetchApart, type StartFetch, startApart } from './fetch-apart.ts'
import { judge } from './freshness.ts'
import type { OnDamage } from './identity.ts'
import { type Judged, judgeAll } from './judged.ts'
import type { Wanted } from './policy.ts'
import { refusals } from './refusals.ts'
import { repeatedFailures } from './repeated-failures.ts'
import { openStore, type Store } from './store.ts'
import { type CachedValue, useOf } from './values.ts'

/** What the cache did for a reference: `explain`, the audit log and the tests want to know. */
export type CacheState = 'hit' | 'renewing' | 'fetched' | 'stale' | 'failed' | 'not cached'

export interface CacheOptions {
  readonly settings: Settings['cache']
  readonly wanted: readonly Wanted[]
  /** Starts the process that fetches what is due, and hands it the locks. */
  readonly startFetch: StartFetch
  /** The fingerprint of the token in use, to tell whether a refusal was meant for it; undefined if it can't be told. */
  readonly tokenPrint: Token['print']
  /** A remark for stderr. */
  readonly note: (text: string) => void
  /** With the value's times, where it came from the cache or is put into it here. */
  readonly seen: (ref: Ref, state: CacheState, dates?: Omit<CachedValue, 'value'>) => void
  readonly onDamage: OnDamage
}

type Answer = ReadonlyMap<string, Outcome>

/**
 * The hybrid cache: a source like any other, in front of all others. What is fresh comes from it without a question to
 * anybody; what isn't is fetched: files at once and here, remote things by a process apart, once for everybody who waits.
 */
export function cachedSource(world: World, inner: Source, options: CacheOptions): Source {
  return {
    async resolve(refs, deadline) {
      const texts = new Set(refs.map(({ text }) => text))
      const wanted = options.wanted.filter(({ ref }) => texts.has(ref.text))
      const cacheable = wanted.filter(({ policy }) => policy.kind !== 'never')
      const others = wanted.filter(({ policy }) => policy.kind === 'never')
      if (cacheable.length === 0) return askUncached(inner, options, others, deadline)
      const store = await openStore(world, options.onDamage)
      // All in one question: what can't be cached isn't asked for apart from what never is.
      if (store instanceof LaunchError) return withoutCache(inner, options, wanted, deadline, store)
      const answers = await Promise.all([
        askUncached(inner, options, others, deadline),
        new Reading(world, inner, store, options, deadline).resolve(cacheable),
      ])
      return new Map(answers.flatMap((answer) => [...answer]))
    },
  }
}

function askInner(inner: Source, wanted: readonly Wanted[], deadline: Deadline): Promise<Answer> {
  if (wanted.length === 0) return Promise.resolve(new Map())
  return inner.resolve(
    wanted.map(({ ref }) => ref),
    deadline,
  )
}

function askUncached(
  inner: Source,
  options: CacheOptions,
  wanted: readonly Wanted[],
  deadline: Deadline,
): Promise<Answer> {
  for (const { ref } of wanted) options.seen(ref, 'not cached')
  return askInner(inner, wanted, deadline)
}

/** A cache that can't be used stops no launch: the sources are asked from here. */
function withoutCache(
  inner: Source,
  options: CacheOptions,
  wanted: readonly Wanted[],
  deadline: Deadline,
  { message, hint }: LaunchError,
): Promise<Answer> {
  options.note(`${message}${hint === undefined ? '' : ` (${hint})`}`)
  return askUncached(inner, options, wanted, deadline)
}

const isOfFile = ({ item }: Judged): boolean => item.policy.kind === 'content'

/** One launch's look into the cache, and what it has fetched. */
class Reading {
  readonly #world: World
  readonly #inner: Source
  readonly #store: Store
  readonly #options: CacheOptions
  readonly #deadline: Deadline

  constructor(world: World, inner: Source, store: Store, options: CacheOptions, deadline: Deadline) {
    this.#world = world
    this.#inner = inner
    this.#store = store
    this.#options = options
    this.#deadline = deadline
  }

  async resolve(wanted: readonly Wanted[]): Promise<Answer> {
    const judged = judgeAll(this.#world, this.#options.settings, wanted, await this.#store.readValues())
    const usable = judged.filter(({ verdict }) => verdict === 'fresh' || verdict === 'renew')
    const missing = judged.filter((one) => !usable.includes(one))
    const due = usable.filter(({ verdict }) => verdict === 'renew').map(({ item }) => item)
    if (due.length > 0) await this.#renewBehind(due)
    const answer = new Map<string, Outcome>()
    for (const { item, entry, verdict } of usable) {
      this.#options.seen(item.ref, verdict === 'renew' ? 'renewing' : 'hit', entry)
      if (entry !== undefined) answer.set(item.ref.text, entry.value)
    }
    const [files, remote] = await Promise.all([
      this.#fromFiles(missing.filter(isOfFile)),
      this.#fromAfar(missing.filter((one) => !isOfFile(one))),
    ])
    return new Map([...answer, ...files, ...remote])
  }

  /** Nobody waits for it, so nobody hears of it either if it can't be started; the next launch tries again. */
  async #renewBehind(due: readonly Wanted[]): Promise<void> {
    const [world, store, { note, startFetch }] = [this.#world, this.#store, this.#options]
    try {
      const meta = store.readMeta()
      const failures = repeatedFailures(meta, due, world.now())
      if (failures !== undefined) note(failures)
      const refused = await this.#refusals(due, meta)
      const open = due.filter(({ key }) => !refused.has(key))
      await startApart(world, store, open, startFetch)
    } catch {
      // The value is good for now.
    }
  }

  /** SOPS and age files: decrypted here, which needs nobody, and remembered for as long as their bytes are the same. */
  async #fromFiles(missing: readonly Judged[]): Promise<Answer> {
    const items = missing.map(({ item }) => item)
    const answer = await askInner(this.#inner, items, this.#deadline)
    const found = new Map<Wanted, CachedValue>()
    for (const { item, entry, contentHash: hash } of missing) {
      const outcome = answer.get(item.ref.text)
      if (!(outcome instanceof Secret) || hash === undefined) {
        this.#options.seen(item.ref, outcome instanceof Secret ? 'fetched' : 'failed')
        continue
      }
      const now = this.#world.now()
      const changedAt = entry?.value.equals(outcome) ? entry.changedAt : now
      const use = useOf(item.policy, now, this.#options.settings.maxStaleMs)
      const value = { value: outcome, fetchedAt: now, changedAt, ...use, contentHash: hash }
      this.#options.seen(item.ref, 'fetched', value)
      found.set(item, value)
    }
    await this.#remember(found)
    return answer
  }

  /** Whoever fetches at this moment isn't waited for: the next launch remembers. */
  async #remember(found: ReadonlyMap<Wanted, CachedValue>): Promise<void> {
    if (found.size === 0) return
    const store = this.#store
    try {
      const lock = tryLock(this.#world, store.places.lock)
      if (lock === undefined) return
      try {
        const [values, meta] = [new Map(await store.readValues()), store.readMeta()]
        const refs = { ...meta.refs }
        for (const [{ key, ref }, value] of found) {
          values.set(key, value)
          refs[key] = { text: ref.text, kind: ref.kind, attemptedAt: value.fetchedAt }
        }
        await store.write(values, { ...meta, refs }, lock)
      } finally {
        lock.release()
      }
    } catch {
      // A full disk: the next launch decrypts again.
    }
  }

  /** What was refused a short while ago is not asked for again: the same refusal is the answer. */
  async #fromAfar(missing: readonly Judged[]): Promise<Answer> {
    if (missing.length === 0) return new Map()
    const [world, store, deadline] = [this.#world, this.#store, this.#deadline]
    const items = missing.map(({ item }) => item)
    const refused = await this.#refusals(items)
    const asked = items.filter(({ key }) => !refused.has(key))
    const how = {
      startFetch: this.#options.startFetch,
      isUsable: this.#isUsable,
      refusals: (some: readonly Wanted[]) => this.#refusals(some),
    }
    const fetched =
      asked.length === 0 ? new Map() : await fetchApart(world, store, asked, how, deadline).catch(cacheError)
    const isCached = !(fetched instanceof LaunchError)
    const answer = isCached ? fetched : await withoutCache(this.#inner, this.#options, asked, deadline, fetched)
    const outcomeOf = ({ key, ref }: Wanted): Outcome | undefined =>
      refused.get(key) ?? answer.get(isCached ? key : ref.text)
    return new Map(missing.map((one) => [one.item.ref.text, this.#orStale(one, outcomeOf(one.item))]))
  }

  #refusals(items: readonly Wanted[], meta = this.#store.readMeta()): Promise<ReadonlyMap<string, LaunchError>> {
    return refusals(this.#world, meta, items, () => this.#options.tokenPrint(this.#deadline))
  }

  readonly #isUsable = (item: Wanted, entry: CachedValue | undefined): boolean => {
    const verdict = judge(entry, item.policy, { now: this.#world.now(), maxStaleMs: 0, contentHash: undefined })
    return verdict === 'fresh' || verdict === 'renew'
  }

  /** An old value in place of an answer that the source could not give for now. */
  #orStale({ item, entry, verdict }: Judged, outcome: Outcome | undefined): Outcome {
    const { seen, settings, note } = this.#options
    if (outcome instanceof Secret) {
      seen(item.ref, 'fetched')
      return outcome
    }
    const error = outcome ?? timedOut(item)
    if (error.code !== 'unavailable' || verdict !== 'stale' || entry === undefined || settings.stale === 'fail') {
      seen(item.ref, 'failed')
      return error
    }
    seen(item.ref, 'stale', entry)
    if (settings.stale === 'warn') {
      note(
        `using the value of ${refName(item.ref)} of ${span(this.#world.now() - entry.fetchedAt)} ago: ${error.shown}`,
      )
    }
    return entry.value
  }
}

function timedOut({ ref }: Wanted): LaunchError {
  return new LaunchError('unavailable', {
    what: "can't resolve",
    subject: refName(ref),
    why: 'no answer in time; it is still being asked for',
    hint: 'start the server again in a moment, or raise "resolveTimeout" under "cache"',
  })
}
