import { LaunchError } from '../../errors.ts'
import { tryLock } from '../../lock.ts'
import type { Settings } from '../../registry/entry.ts'
import { span } from '../../span.ts'
import type { World } from '../../world.ts'
import type { Ref } from '../ref.ts'
import { Secret } from '../secret.ts'
import type { Deadline, Outcome, Source } from '../source.ts'
import { cacheError } from './cache-error.ts'
import { contentHash } from './content-hash.ts'
import { fetchApart, refusals, type StartFetch, startApart } from './fetch-apart.ts'
import { judge, type Verdict } from './freshness.ts'
import type { OnDamage } from './identity.ts'
import type { Policy, Wanted } from './policy.ts'
import { repeatedFailures } from './repeated-failures.ts'
import { openStore, type Store } from './store.ts'
import { type CachedValue, useOf, type Values } from './values.ts'

/** What the cache did for a reference: `explain`, the audit log and the tests want to know. */
export type CacheState = 'hit' | 'renewing' | 'fetched' | 'stale' | 'failed' | 'not cached'

export interface CacheOptions {
  readonly settings: Settings['cache']
  readonly wanted: readonly Wanted[]
  /** Starts the process that fetches what is due, and hands it the locks. */
  readonly startFetch: StartFetch
  /** The fingerprint of the token in use, to tell whether a refusal was meant for it. */
  readonly tokenPrint: () => Promise<string | undefined>
  /** A remark for stderr. */
  readonly note: (text: string) => void
  /** With the value's times, where it came from the cache or is put into it here. */
  readonly seen: (ref: Ref, state: CacheState, dates?: Omit<CachedValue, 'value'>) => void
  readonly onDamage: OnDamage
}

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
      for (const { ref } of others) options.seen(ref, 'not cached')
      const answers = await Promise.all([
        askInner(inner, others, deadline),
        cacheable.length === 0 ? new Map() : fromCache(world, inner, options, cacheable, deadline),
      ])
      return new Map(answers.flatMap((answer) => [...answer]))
    },
  }
}

type Answer = ReadonlyMap<string, Outcome>

function askInner(inner: Source, wanted: readonly Wanted[], deadline: Deadline): Promise<Answer> {
  if (wanted.length === 0) return Promise.resolve(new Map())
  return inner.resolve(
    wanted.map(({ ref }) => ref),
    deadline,
  )
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
  for (const { ref } of wanted) options.seen(ref, 'not cached')
  return askInner(inner, wanted, deadline)
}

interface Judged {
  readonly item: Wanted
  readonly entry: CachedValue | undefined
  readonly verdict: Verdict
  readonly contentHash: string | undefined
}

async function fromCache(
  world: World,
  inner: Source,
  options: CacheOptions,
  wanted: readonly Wanted[],
  deadline: Deadline,
): Promise<Answer> {
  const store = await openStore(world, options.onDamage)
  if (store instanceof LaunchError) return withoutCache(inner, options, wanted, deadline, store)
  const judged = judgeAll(world, options, wanted, await store.readValues())
  const usable = judged.filter(({ verdict }) => verdict === 'fresh' || verdict === 'renew')
  const missing = judged.filter((one) => !usable.includes(one))
  const due = usable.filter(({ verdict }) => verdict === 'renew').map(({ item }) => item)
  if (due.length > 0) await renewBehind(world, store, due, options)
  const answer = new Map<string, Outcome>()
  for (const { item, entry, verdict } of usable) {
    options.seen(item.ref, verdict === 'renew' ? 'renewing' : 'hit', entry)
    if (entry !== undefined) answer.set(item.ref.text, entry.value)
  }
  const [files, remote] = await Promise.all([
    fromFiles(world, inner, store, missing.filter(isOfFile), options, deadline),
    fromAfar(
      world,
      inner,
      store,
      missing.filter((one) => !isOfFile(one)),
      options,
      deadline,
    ),
  ])
  return new Map([...answer, ...files, ...remote])
}

const isOfFile = ({ item }: Judged): boolean => item.policy.kind === 'content'

function judgeAll(world: World, { settings }: CacheOptions, wanted: readonly Wanted[], values: Values): Judged[] {
  const hashes = new Map<string, string | undefined>()
  const hashOf = (policy: Policy): string | undefined => {
    if (policy.kind !== 'content') return undefined
    if (!hashes.has(policy.file)) hashes.set(policy.file, contentHash(world, policy))
    return hashes.get(policy.file)
  }
  return wanted.map((item) => {
    const entry = values.get(item.key)
    const hash = hashOf(item.policy)
    const at = { now: world.now(), maxStaleMs: settings.maxStaleMs, contentHash: hash }
    return { item, entry, contentHash: hash, verdict: judge(entry, item.policy, at) }
  })
}

/** Nobody waits for it, so nobody hears of it either if it can't be started; the next launch tries again. */
async function renewBehind(world: World, store: Store, due: readonly Wanted[], options: CacheOptions): Promise<void> {
  try {
    const meta = store.readMeta()
    const failures = repeatedFailures(meta, due, world.now())
    if (failures !== undefined) options.note(failures)
    const refused = await refusals(world, meta, due, options.tokenPrint)
    const open = due.filter(({ key }) => !refused.has(key))
    await startApart(world, store, open, options.startFetch)
  } catch {
    // The value is good for now.
  }
}

/** SOPS and age files: decrypted here, which needs nobody, and remembered for as long as their bytes are the same. */
async function fromFiles(
  world: World,
  inner: Source,
  store: Store,
  missing: readonly Judged[],
  options: CacheOptions,
  deadline: Deadline,
): Promise<Answer> {
  if (missing.length === 0) return new Map()
  const answer = await askInner(
    inner,
    missing.map(({ item }) => item),
    deadline,
  )
  const found = new Map<Wanted, CachedValue>()
  for (const { item, entry, contentHash: hash } of missing) {
    const outcome = answer.get(item.ref.text)
    if (!(outcome instanceof Secret) || hash === undefined) {
      options.seen(item.ref, outcome instanceof Secret ? 'fetched' : 'failed')
      continue
    }
    const now = world.now()
    const changedAt = entry?.value.equals(outcome) ? entry.changedAt : now
    const use = useOf(item.policy, now, options.settings.maxStaleMs)
    const value = { value: outcome, fetchedAt: now, changedAt, ...use, contentHash: hash }
    options.seen(item.ref, 'fetched', value)
    found.set(item, value)
  }
  await remember(world, store, found)
  return answer
}

/** Whoever fetches at this moment isn't waited for: the next launch remembers. */
async function remember(world: World, store: Store, found: ReadonlyMap<Wanted, CachedValue>): Promise<void> {
  if (found.size === 0) return
  try {
    const lock = tryLock(world, store.places.lock)
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

async function fromAfar(
  world: World,
  inner: Source,
  store: Store,
  missing: readonly Judged[],
  options: CacheOptions,
  deadline: Deadline,
): Promise<Answer> {
  if (missing.length === 0) return new Map()
  const items = missing.map(({ item }) => item)
  const isUsable = (item: Wanted, entry: CachedValue | undefined): boolean => {
    const verdict = judge(entry, item.policy, { now: world.now(), maxStaleMs: 0, contentHash: undefined })
    return verdict === 'fresh' || verdict === 'renew'
  }
  const fetched = await fetchApart(world, store, items, { ...options, isUsable }, deadline).catch(cacheError)
  const isCached = !(fetched instanceof LaunchError)
  const answer = isCached ? fetched : await withoutCache(inner, options, items, deadline, fetched)
  const outcomeOf = ({ key, ref }: Wanted): Outcome | undefined => answer.get(isCached ? key : ref.text)
  return new Map(missing.map((one) => [one.item.ref.text, orStale(world, one, outcomeOf(one.item), options)]))
}

/** An old value in place of an answer that the source could not give for now. */
function orStale(
  world: World,
  { item, entry, verdict }: Judged,
  outcome: Outcome | undefined,
  options: CacheOptions,
): Outcome {
  if (outcome instanceof Secret) {
    options.seen(item.ref, 'fetched')
    return outcome
  }
  const error = outcome ?? timedOut(item)
  if (error.code !== 'unavailable' || verdict !== 'stale' || entry === undefined || options.settings.stale === 'fail') {
    options.seen(item.ref, 'failed')
    return error
  }
  options.seen(item.ref, 'stale', entry)
  if (options.settings.stale === 'warn') {
    options.note(`using the value of ${item.ref.text} of ${span(world.now() - entry.fetchedAt)} ago: ${error.shown}`)
  }
  return entry.value
}

function timedOut({ ref }: Wanted): LaunchError {
  return new LaunchError('unavailable', {
    what: "can't resolve",
    subject: ref.text,
    why: 'no answer in time; it is still being asked for',
    hint: 'start the server again in a moment, or raise "resolveTimeout" under "cache"',
  })
}
