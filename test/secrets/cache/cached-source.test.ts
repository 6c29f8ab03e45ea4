import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { LaunchError } from '../../../src/errors.ts'
import { adoptLock, isLocked, tryLock } from '../../../src/lock.ts'
import type { SecretSpec, Settings } from '../../../src/registry/entry.ts'
import { type CacheState, cachedSource } from '../../../src/secrets/cache/cached-source.ts'
import { type Fetched, fetchDue } from '../../../src/secrets/cache/fetch.ts'
import { questionLock } from '../../../src/secrets/cache/question.ts'
import { openStore, type Store } from '../../../src/secrets/cache/store.ts'
import { allWanted } from '../../../src/secrets/open.ts'
import { parseEnvironmentRef, parseRef } from '../../../src/secrets/parse-ref.ts'
import type { Ref } from '../../../src/secrets/ref.ts'
import { type Refusal, type Source, SourceError } from '../../../src/secrets/source.ts'
import type { World } from '../../../src/world.ts'
import { commandRef, errno, type FakeSource, fakeSource, filesWith, opRef, shown, testHome } from './home.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

const [A, B, C] = [opRef('a'), opRef('b'), opRef('c')]
const PASS = commandRef('pass', 'x')
const VARIABLE = parseRef('env:FOO')
const ENVIRONMENT = parseEnvironmentRef('op-env:id')
const TOKEN = parseRef('env:T')
const ACCOUNT = `1password by ${TOKEN.text}`

/** The name of a 1Password reference's value in the cache. */
const keyOf = ({ text }: Ref) => `${text} of ${ACCOUNT}`

const refused = (refusal: Refusal, what: string = refusal) => new SourceError(refusal, { what })

type How = Partial<Settings['cache']>

/** Whoever launches: with these variables over the usual ones, and sources that answer it so, not before then. */
interface Client {
  readonly env: Readonly<Record<string, string>>
  readonly answers?: FakeSource['answers']
  readonly until?: Promise<void>
}

/** A home with its cache and one source, in which launches and fetches run as they do in processes of their own. */
class Bench {
  readonly home: string
  readonly world: World
  readonly inner: FakeSource = fakeSource({ [A.text]: 'a', [B.text]: 'b', [C.text]: 'c', [PASS.text]: 'pass' })
  readonly damage: string[] = []
  readonly purged: string[] = []
  readonly blocked: string[] = []
  /** All fetches that were started. */
  readonly fetches: Promise<void>[] = []
  token: string | undefined = 'token'
  /** Added to the clock. */
  shift = 0
  startFetch = (nonces: readonly string[], client?: Client): Promise<void> => {
    this.fetches.push(this.#fetch(nonces, client))
    return Promise.resolve()
  }
  #wanted: readonly Ref[] = []
  #cache: SecretSpec['cache'] | undefined

  constructor(overrides: Partial<World> = {}) {
    const { home, world } = testHome({ now: () => Date.now() + this.shift, ...overrides })
    this.home = home
    this.world = world
  }

  /** What a launch gets for these references. */
  async launch(
    refs: readonly Ref[],
    how: How & { cache?: SecretSpec['cache']; limitMs?: number; client?: Client } = {},
  ) {
    const notes: string[] = []
    const seen: Record<string, CacheState> = {}
    this.#wanted = [...new Set([...this.#wanted, ...refs])]
    const { cache, limitMs = 10_000, client, ...given } = how
    const settings = settingsWith(given)
    const specs = refs.map(
      (from): SecretSpec => ({ from, as: 'env', required: true, ...(cache === undefined ? {} : { cache }) }),
    )
    this.#cache = cache
    const source = cachedSource(this.#worldOf(client), this.#sourceOf(client), {
      settings,
      wanted: allWanted(this.world, this.#context(settings), specs),
      startFetch: (nonces) => this.startFetch(nonces, client),
      tokenPrint: () => Promise.resolve(this.token),
      note: (text) => void notes.push(text),
      seen: ({ text }, state) => {
        seen[text] = state
      },
      onDamage: (_, why) => void this.damage.push(why),
    })
    const answer = await source.resolve(refs, this.world.now() + limitMs)
    const values = refs.map(({ text }) => shown(answer.get(text)))
    return { values, notes, states: refs.map(({ text }) => seen[text]), answer }
  }

  /** All fetches that are under way have ended. */
  async settled(): Promise<void> {
    await Promise.all(this.fetches)
  }

  /** The references of each question so far, by their items. */
  questions(): string[] {
    return this.inner.questions.map((texts) => texts.map((text) => text.split('/')[3] ?? text).join(' '))
  }

  async store(): Promise<Store> {
    const store = await openStore(this.world, () => {})
    if (store instanceof LaunchError) throw store
    return store
  }

  /** As `secrets refresh` does it. */
  async refresh(
    refs: readonly Ref[],
    how: {
      which?: 'all' | 'due'
      evenIfBlocked?: boolean
      nonces?: readonly string[]
      client?: Client | undefined
    } = {},
  ): Promise<Fetched[]> {
    const rows: Fetched[] = []
    const { which = 'all', evenIfBlocked = true, nonces, client } = how
    const cache = this.#cache === undefined ? {} : { cache: this.#cache }
    const store = await this.store()
    const specs = refs.map((from): SecretSpec => ({ from, as: 'env', required: true, ...cache }))
    await fetchDue(
      this.#worldOf(client),
      store,
      this.#sourceOf(client),
      allWanted(this.world, this.#context(), specs),
      {
        which,
        evenIfBlocked,
        maxStaleMs: 7 * DAY,
        limitMs: 10_000,
        lockFor: (question) => {
          const path = questionLock(this.world, store.places, question)
          if (nonces === undefined) return tryLock(this.world, path)
          return nonces.map((nonce) => adoptLock(this.world, path, nonce, MINUTE)).find((lock) => lock !== undefined)
        },
        tokenPrint: () => Promise.resolve(this.token),
        onAsking: () => () => {},
        onFetched: (row) => void rows.push(row),
        onPurged: ({ ref }) => void this.purged.push(ref.text),
        onBlocked: (source, { failures, until }) =>
          void this.blocked.push(`${source} ${failures} ${Math.round((until - this.world.now()) / MINUTE)}`),
      },
    )
    return rows
  }

  async #fetch(nonces: readonly string[], client: Client | undefined): Promise<void> {
    await this.refresh(this.#wanted, { which: 'due', evenIfBlocked: false, nonces, client })
  }

  #worldOf(client: Client | undefined): World {
    return { ...this.world, env: { ...this.world.env, ...client?.env } }
  }

  #sourceOf(client: Client | undefined): Source {
    return {
      resolve: async (refs, deadline) => {
        await client?.until
        return this.inner.resolve(refs, deadline, client?.answers)
      },
    }
  }

  /** Whether somebody asks 1Password. */
  async isAsked(): Promise<boolean> {
    return isLocked(this.world, questionLock(this.world, (await this.store()).places, ACCOUNT))
  }

  #context(cache = settingsWith({})) {
    const settings = { cache, onepassword: { token: TOKEN } }
    return { registryPath: join(this.home, 'servers.yaml'), settings }
  }
}

function settingsWith(given: How): Settings['cache'] {
  return { ttlMs: 4 * HOUR, stale: 'warn', maxStaleMs: 7 * DAY, resolveTimeoutMs: 4_000, ...given }
}

describe('a hit', () => {
  test('asks nobody and starts nothing', async () => {
    const bench = new Bench()
    expect(await bench.launch([A])).toMatchObject({ values: ['a'], notes: [], states: ['fetched'] })
    expect(await bench.launch([A])).toMatchObject({ values: ['a'], notes: [], states: ['hit'] })
    expect(bench.questions()).toEqual(['a'])
    expect(bench.fetches).toHaveLength(1)
  })

  test('needs no lock: a fetch that hangs keeps nobody from it', async () => {
    const bench = new Bench()
    await bench.launch([A])
    const store = await bench.store()
    tryLock(bench.world, store.places.lock)
    tryLock(bench.world, questionLock(bench.world, store.places, ACCOUNT))
    expect(await bench.launch([A])).toMatchObject({ states: ['hit'] })
  })

  test('of one source is not held up by another that hangs', async () => {
    const bench = new Bench()
    const store = await bench.store()
    tryLock(bench.world, questionLock(bench.world, store.places, ACCOUNT))
    expect(await bench.launch([PASS], { limitMs: 5_000 })).toMatchObject({ values: ['pass'], states: ['fetched'] })
  })

  test('nearly expired is used at once, and renewed behind, once', async () => {
    const bench = new Bench()
    await bench.launch([A])
    bench.shift = 3 * HOUR + MINUTE
    bench.inner.answers[A.text] = 'new'
    const launches = await Promise.all(Array.from({ length: 20 }, () => bench.launch([A])))
    expect(new Set(launches.map(({ values }) => values[0]))).toEqual(new Set(['a']))
    expect(launches[0]?.states).toEqual(['renewing'])
    await bench.settled()
    expect(bench.questions()).toEqual(['a', 'a'])
    expect(await bench.launch([A])).toMatchObject({ values: ['new'], states: ['hit'] })
  })

  test('nearly expired is a hit too where nothing can be fetched', async () => {
    const bench = new Bench()
    await bench.launch([A])
    bench.shift = 3 * HOUR + MINUTE
    bench.startFetch = () => Promise.reject(errno('EAGAIN'))
    expect(await bench.launch([A])).toMatchObject({ values: ['a'], notes: [], states: ['renewing'] })
  })
})

describe('a miss', () => {
  test('asks for what is missing, all in one question', async () => {
    const bench = new Bench()
    await bench.launch([A])
    expect(await bench.launch([A, B, C])).toMatchObject({
      values: ['a', 'b', 'c'],
      states: ['hit', 'fetched', 'fetched'],
    })
    expect(bench.questions()).toEqual(['a', 'b c'])
  })

  test('of 50 at once is one question', async () => {
    const bench = new Bench()
    const launches = await Promise.all(Array.from({ length: 50 }, () => bench.launch([A])))
    expect(launches.map(({ values }) => values[0])).toEqual(Array(50).fill('a'))
    expect(bench.questions()).toEqual(['a'])
  })

  test('asked for twice is asked once', async () => {
    const bench = new Bench()
    expect(await bench.launch([A, A, A])).toMatchObject({ values: ['a', 'a', 'a'] })
    expect(bench.questions()).toEqual(['a'])
  })

  test('expired counts as one', async () => {
    const bench = new Bench()
    await bench.launch([A])
    bench.shift = 4 * HOUR
    bench.inner.answers[A.text] = 'new'
    expect(await bench.launch([A])).toMatchObject({ values: ['new'], notes: [], states: ['fetched'] })
  })

  test('with the clock set back counts as one, and is over with the next fetch', async () => {
    const bench = new Bench()
    await bench.launch([A])
    bench.shift = -DAY
    bench.inner.answers[A.text] = 'new'
    expect(await bench.launch([A])).toMatchObject({ values: ['new'], states: ['fetched'] })
    expect(await bench.launch([A])).toMatchObject({ values: ['new'], states: ['hit'] })
    expect(bench.questions()).toEqual(['a', 'a'])
  })

  test('of a clock that was far ahead is never served when that is set right', async () => {
    const bench = new Bench()
    bench.shift = 5_000 * DAY
    await bench.launch([A])
    bench.inner.answers[A.text] = refused('unavailable')
    for (const days of [0, 3_000, 4_999]) {
      bench.shift = days * DAY
      expect((await bench.launch([A])).values).toEqual([expect.stringMatching(/^error: /)])
    }
  })

  test('of a clock that was a little ahead is served as stale, of an unknown age', async () => {
    const bench = new Bench()
    bench.shift = DAY
    await bench.launch([A])
    bench.shift = 0
    bench.inner.answers[A.text] = refused('unavailable')
    expect(await bench.launch([A])).toMatchObject({
      values: ['a'],
      states: ['stale'],
      notes: [expect.stringMatching(/^using the value of .* of an unknown time ago: /)],
    })
  })

  test('that was refused before the clock was set back is asked for again, and the old refusal is no answer', async () => {
    const bench = new Bench()
    bench.inner.answers[A.text] = refused('unavailable')
    await bench.launch([A])
    bench.shift = -DAY
    bench.inner.answers[A.text] = 'a'
    expect(await bench.launch([A])).toMatchObject({ values: ['a'] })
  })

  test('with a time so short that it is over when it arrives is a value all the same', async () => {
    const bench = new Bench()
    expect(await bench.launch([A], { cache: 0 })).toMatchObject({ values: ['a'], states: ['fetched'] })
    expect(bench.questions()).toEqual(['a'])
  })

  test('that takes too long ends in time; the fetch goes on, and the next launch is a hit', async () => {
    const bench = new Bench()
    const gate = Promise.withResolvers<void>()
    const { resolve } = bench.inner
    bench.inner.resolve = async (refs, deadline) => {
      await gate.promise
      return resolve(refs, deadline)
    }
    const late = await bench.launch([A], { limitMs: 200 })
    expect(late.states).toEqual(['failed'])
    expect(late.answer.get(A.text)).toMatchObject({
      code: 'unavailable',
      message: `can't resolve "${A.text}": no answer in time; it is still being asked for`,
    })
    expect(await bench.isAsked()).toBe(true)
    gate.resolve()
    await bench.settled()
    expect(await bench.launch([A])).toMatchObject({ values: ['a'], states: ['hit'] })
    expect(bench.questions()).toEqual(['a'])
  })

  test('of a command that takes too long names the program alone: its arguments are the user’s', async () => {
    const bench = new Bench()
    bench.startFetch = () => Promise.resolve()
    expect((await bench.launch([PASS], { limitMs: 50 })).values[0]).toMatch(/^error: can't resolve "command pass": no/)
  })

  test('with a fetcher that comes late is fetched by it all the same', async () => {
    const bench = new Bench()
    const { startFetch } = bench
    const gate = Promise.withResolvers<void>()
    bench.startFetch = (nonces) => {
      void gate.promise.then(() => startFetch(nonces))
      return Promise.resolve()
    }
    expect((await bench.launch([A], { limitMs: 100 })).states).toEqual(['failed'])
    gate.resolve()
    await expect.poll(() => bench.fetches.length).toBe(1)
    await bench.settled()
    expect(await bench.launch([A])).toMatchObject({ values: ['a'], states: ['hit'] })
  })

  test('whose fetcher ends without a word is tried again, and then asked for here', async () => {
    const bench = new Bench()
    let starts = 0
    bench.startFetch = async ([nonce = '']) => {
      starts += 1
      const path = questionLock(bench.world, (await bench.store()).places, ACCOUNT)
      adoptLock(bench.world, path, nonce, MINUTE)?.release()
    }
    const { values, notes } = await bench.launch([A])
    expect(values).toEqual(['a'])
    expect(notes).toEqual(["can't use the cache: nothing that is fetched arrives in it"])
    expect(starts).toBe(3)
    expect(bench.questions()).toEqual(['a'])
  })

  test.each([
    ['the reference', 'said-no'],
    ['the account', 'rate-limited'],
  ] as const)('that began before a refusal of %s was written is not asked for again', async (_, refusal) => {
    const bench = new Bench()
    bench.inner.answers[A.text] = refused(refusal)
    const { startFetch } = bench
    bench.startFetch = async (nonces) => {
      // The block is of the time before the launch came, which has found none.
      bench.shift -= 100
      await startFetch(nonces)
      await bench.settled()
      bench.shift += 100
    }
    const { values, notes } = await bench.launch([A])
    expect(values).toEqual([expect.stringMatching(`^error: ${refusal}; not asked again for `)])
    expect(notes).toEqual([])
    expect(bench.questions()).toEqual(['a'])
  })

  test('where no process can be started is asked for here', async () => {
    const bench = new Bench()
    bench.startFetch = () => Promise.reject(errno('EAGAIN'))
    expect(await bench.launch([A])).toMatchObject({
      values: ['a'],
      notes: [expect.stringMatching(/^can't use the cache: EAGAIN \(secrets are asked for at every start/)],
    })
    expect(await bench.isAsked()).toBe(false)
  })
})

test.each([
  ['a token', A],
  ['a program', PASS],
])('%s that is missing is looked for at every start: that asks nobody', async (_, ref) => {
  const bench = new Bench()
  bench.inner.answers[ref.text] = refused('not-asked', 'not found')
  for (const _ of [1, 2]) expect((await bench.launch([ref])).values).toEqual(['error: not found'])
  bench.inner.answers[ref.text] = 'value'
  expect((await bench.launch([ref])).values).toEqual(['value'])
  expect(bench.blocked).toEqual([])
})

describe('two clients with different environments', () => {
  const failed = (what: string) => new LaunchError('failure', { what })
  const poor: Client = { env: { PATH: '/bin' } }

  test.each([
    ['a program that one of them lacks', PASS, refused('not-asked', 'not found')],
    ['a program that fails in one of them', PASS, failed('no DISPLAY')],
    ['a variable that one of them lacks', VARIABLE, refused('not-asked', 'not set')],
    ['a token that one of them lacks', A, refused('not-asked', 'no token')],
  ])('%s: the other asks for itself', async (_, ref, error) => {
    const bench = new Bench()
    const client = { ...poor, answers: { [ref.text]: error } }
    expect((await bench.launch([ref], { cache: true, client })).values).toEqual([`error: ${error.message}`])
    bench.inner.answers[ref.text] = 'value'
    expect((await bench.launch([ref], { cache: true })).values).toEqual(['value'])
    expect((await bench.launch([ref], { cache: true, client })).states).toEqual(['hit'])
  })

  test('at the same moment: the failure of the first is no answer for the second', async () => {
    const bench = new Bench()
    const gate = Promise.withResolvers<void>()
    const client = { ...poor, answers: { [A.text]: refused('not-asked', 'no token') }, until: gate.promise }
    const first = bench.launch([A], { client })
    await expect.poll(() => bench.isAsked()).toBe(true)
    const [second, third] = [bench.launch([A]), bench.launch([A], { client })]
    gate.resolve()
    expect((await second).values).toEqual(['a'])
    // Whoever looks late finds the second's value.
    for (const launch of [first, third]) {
      expect((await launch).values).toEqual([expect.stringMatching(/^(a|error: no token)$/)])
    }
  })

  test('that both restart a server with a secret that fails are a question each', async () => {
    const bench = new Bench()
    const client = { ...poor, answers: { [PASS.text]: failed('locked') } }
    bench.inner.answers[PASS.text] = failed('locked')
    for (let count = 0; count < 20; count += 1) {
      expect((await bench.launch([PASS], { client })).values[0]).toMatch(/^error: locked/)
      expect((await bench.launch([PASS])).values[0]).toMatch(/^error: locked/)
    }
    expect(bench.questions()).toHaveLength(2)
  })

  test('share what 1Password itself says', async () => {
    const bench = new Bench()
    bench.inner.answers[A.text] = refused('said-no', 'it is gone')
    await bench.launch([A])
    expect((await bench.launch([A], { client: poor })).values[0]).toMatch(/^error: it is gone; not asked again/)
    const client = { ...poor, answers: { [B.text]: refused('not-asked', 'no token') } }
    await bench.launch([B], { client })
    bench.inner.answers[B.text] = refused('rate-limited', 'too many')
    await bench.launch([B])
    await bench.refresh([A, B], {
      client: { ...client, answers: { ...client.answers, [A.text]: refused('not-asked') } },
    })
    expect((await bench.launch([A])).values[0]).toMatch(/^error: it is gone; not asked again/)
    expect((await bench.launch([C])).values[0]).toMatch(/^error: too many; not asked again/)
  })
})

describe('a source that said no', () => {
  test('purges the value, tells it, and is never overruled by an old value', async () => {
    const bench = new Bench()
    await bench.launch([A, B])
    bench.shift = 5 * HOUR
    bench.inner.answers[A.text] = refused('said-no', 'it is gone')
    const after = await bench.launch([A, B])
    expect(after).toMatchObject({ values: ['error: it is gone', 'b'], notes: [], states: ['failed', 'fetched'] })
    expect(bench.purged).toEqual([A.text])
    expect([...(await (await bench.store()).readValues()).keys()]).toEqual([keyOf(B)])
    bench.inner.answers[A.text] = refused('unavailable')
    bench.shift += HOUR
    expect((await bench.launch([A])).values).toEqual(['error: unavailable'])
  })

  test('is not asked again for a while', async () => {
    const bench = new Bench()
    bench.inner.answers[A.text] = refused('said-no', 'it is gone')
    for (let count = 0; count < 100; count += 1) {
      const [value] = (await bench.launch([A])).values
      expect(value).toMatch(/^error: it is gone/)
    }
    expect(bench.questions()).toEqual(['a'])
    expect((await bench.launch([A])).values[0]).toMatch(
      /^error: it is gone; not asked again for \d+ s \(mcp-launch secrets refresh asks now\)$/,
    )
    bench.shift = 15 * MINUTE
    bench.inner.answers[A.text] = 'back'
    expect((await bench.launch([A])).values).toEqual(['back'])
  })

  test('during a renewal behind a launch takes the value from the next one', async () => {
    const bench = new Bench()
    await bench.launch([A])
    bench.shift = 3 * HOUR + MINUTE
    bench.inner.answers[A.text] = refused('said-no', 'it is gone')
    expect((await bench.launch([A])).values).toEqual(['a'])
    await bench.settled()
    expect((await bench.launch([A])).values[0]).toMatch(/^error: it is gone/)
  })
})

describe('a source that is unavailable', () => {
  const expired = async (): Promise<Bench> => {
    const bench = new Bench()
    await bench.launch([A])
    bench.shift = 5 * HOUR
    bench.inner.answers[A.text] = refused('unavailable', 'no network')
    return bench
  }

  test('lets the old value be used, with its age', async () => {
    const bench = await expired()
    expect(await bench.launch([A])).toMatchObject({
      values: ['a'],
      notes: [`using the value of ${A.text} of 5 h ago: no network`],
      states: ['stale'],
    })
    const again = await bench.launch([A])
    expect(again.values).toEqual(['a'])
    expect(again.notes[0]).toMatch(/of 5 h ago: no network; not asked again for \d+ s/)
    expect(bench.questions()).toEqual(['a', 'a'])
  })

  test('silently, if so set', async () => {
    expect(await (await expired()).launch([A], { stale: 'silent' })).toMatchObject({ values: ['a'], notes: [] })
  })

  test('not at all, if so set', async () => {
    const { values, states, answer } = await (await expired()).launch([A], { stale: 'fail' })
    expect(values).toEqual(['error: no network'])
    expect(states).toEqual(['failed'])
    expect(answer.get(A.text)).toMatchObject({ exitCode: 75 })
  })

  test('and never beyond the ceiling', async () => {
    const bench = await expired()
    bench.shift = 7 * DAY - MINUTE
    expect((await bench.launch([A])).values).toEqual(['a'])
    bench.shift = 7 * DAY + MINUTE
    expect((await bench.launch([A])).values[0]).toMatch(/^error: no network/)
  })

  test('or does not answer in time, likewise', async () => {
    const bench = await expired()
    bench.startFetch = () => Promise.resolve()
    const { values, notes } = await bench.launch([A], { limitMs: 100 })
    expect(values).toEqual(['a'])
    expect(notes[0]).toContain('no answer in time')
  })

  test('likewise where the cache cannot be written', async () => {
    const bench = await expired()
    bench.startFetch = () => Promise.reject(errno('ENOSPC'))
    const { values, notes } = await bench.launch([A])
    expect(values).toEqual(['a'])
    expect(notes).toEqual([
      expect.stringMatching(/^can't use the cache: no space left on the device/),
      `using the value of ${A.text} of 5 h ago: no network`,
    ])
  })

  test('is not overruled for a command that failed: it may have said no', async () => {
    const bench = new Bench()
    await bench.launch([PASS])
    bench.shift = 5 * HOUR
    bench.inner.answers[PASS.text] = new LaunchError('failure', { what: 'it ended with 1' })
    expect((await bench.launch([PASS])).values).toEqual(['error: it ended with 1'])
    expect(bench.purged).toEqual([])
  })
})

describe('a source that blocks everything', () => {
  test('a rejected token is not used again until it changes or its time passes', async () => {
    const bench = new Bench()
    for (const { text } of [A, B]) bench.inner.answers[text] = refused('token-rejected', 'the token was revoked')
    expect((await bench.launch([A])).values).toEqual(['error: the token was revoked'])
    expect((await bench.launch([A])).values[0]).toMatch(/^error: the token was revoked; not asked again/)
    expect((await bench.launch([B])).values[0]).toMatch(/^error: the token was revoked; not asked again/)
    expect(bench.questions()).toEqual(['a'])
    bench.token = 'another'
    for (const { text } of [A, B]) bench.inner.answers[text] = 'value'
    expect((await bench.launch([B])).values).toEqual(['value'])
    expect(bench.questions()).toHaveLength(2)
  })

  test('a token that is gone takes from all its values what they have beyond their time, until one is fetched', async () => {
    const bench = new Bench()
    const away = () => {
      for (const { text } of [A, B]) bench.inner.answers[text] = refused('unavailable', 'no network')
    }
    await bench.launch([A])
    bench.shift = HOUR
    await bench.launch([B])
    bench.shift = 4.5 * HOUR
    for (const { text } of [A, B]) bench.inner.answers[text] = refused('token-rejected', 'the token was revoked')
    expect((await bench.launch([A])).values).toEqual(['error: the token was revoked'])
    expect((await bench.launch([B])).values).toEqual(['b'])
    await bench.settled()
    away()
    bench.shift = 6 * HOUR
    expect((await bench.launch([A])).values[0]).toMatch(/^error: no network/)
    expect((await bench.launch([B])).values[0]).toMatch(/^error: no network/)
    bench.inner.answers[B.text] = 'b'
    await bench.refresh([B])
    away()
    bench.shift = 11 * HOUR
    expect((await bench.launch([A, B])).values).toEqual(['a', 'b'])
  })

  test('what is no token at all, and a rate limit, take nothing from the values', async () => {
    for (const refusal of ['token-malformed', 'rate-limited'] as const) {
      const bench = new Bench()
      await bench.launch([A])
      bench.shift = 5 * HOUR
      bench.inner.answers[A.text] = refused(refusal)
      await bench.launch([A])
      bench.shift = 7 * HOUR
      bench.inner.answers[A.text] = refused('unavailable')
      expect((await bench.launch([A])).values).toEqual(['a'])
    }
  })

  test('a rejected token may be tried again after an hour', async () => {
    const bench = new Bench()
    bench.inner.answers[A.text] = refused('token-rejected')
    await bench.launch([A])
    bench.shift = HOUR - MINUTE
    await bench.launch([A])
    expect(bench.questions()).toHaveLength(1)
    bench.shift = HOUR + MINUTE
    await bench.launch([A])
    expect(bench.questions()).toHaveLength(2)
  })

  test.each([
    ['a rejected token', refused('token-rejected', 'no')],
    ['a rate limit', refused('rate-limited', 'no')],
  ])('%s holds for references and Environments alike, and a new token lifts it for both', async (_, refusal) => {
    const bench = new Bench()
    bench.inner.answers[ENVIRONMENT.text] = refusal
    bench.inner.answers[A.text] = 'a'
    await bench.launch([ENVIRONMENT])
    expect((await bench.launch([A, ENVIRONMENT])).values).toEqual(
      Array(2).fill(expect.stringMatching(/^error: no; not/)),
    )
    expect(bench.inner.questions).toEqual([[ENVIRONMENT.text]])
    bench.token = 'another'
    bench.inner.answers[ENVIRONMENT.text] = 'variables'
    expect((await bench.launch([ENVIRONMENT])).values).toEqual(['variables'])
    expect((await bench.launch([A])).values).toEqual(['a'])
  })

  test('two questions at the same moment that are refused are one refusal', async () => {
    const bench = new Bench()
    for (const { text } of [A, ENVIRONMENT]) bench.inner.answers[text] = refused('rate-limited', 'too many')
    await bench.refresh([A, ENVIRONMENT])
    expect(bench.blocked).toEqual(['1password 1 15'])
    await bench.refresh([A])
    expect(bench.blocked).toEqual(['1password 1 15', '1password 2 30'])
  })

  test('a rate limit grows with each refusal, for all references, and is over with the first value', async () => {
    const bench = new Bench()
    for (const { text } of [A, B]) bench.inner.answers[text] = refused('rate-limited', 'too many requests')
    for (let time = 0; time < 6; time += 1) {
      await bench.launch([A])
      await bench.launch([B])
      bench.shift += 15 * MINUTE * 2 ** time + 1_000
    }
    expect(bench.blocked.map((line) => Number(line.split(' ')[2]))).toEqual([15, 30, 60, 120, 240, 480])
    expect(bench.questions()).toHaveLength(6)
    for (const { text } of [A, B]) bench.inner.answers[text] = 'value'
    expect((await bench.launch([A])).values).toEqual(['value'])
    expect((await bench.launch([B])).values).toEqual(['value'])
    expect((await bench.store()).readMeta().sources).toEqual({})
  })

  test('lets cached values be used, and renews nothing meanwhile', async () => {
    const bench = new Bench()
    await bench.launch([A])
    bench.inner.answers[B.text] = refused('rate-limited')
    await bench.launch([B])
    bench.shift = 3 * HOUR + 5 * MINUTE
    bench.inner.answers[A.text] = refused('rate-limited')
    await bench.launch([A])
    await bench.settled()
    const { length } = bench.questions()
    for (let count = 0; count < 10; count += 1) expect((await bench.launch([A])).states).toEqual(['renewing'])
    await bench.settled()
    expect(bench.questions()).toHaveLength(length)
  })

  test('one command that fails blocks no other', async () => {
    const bench = new Bench()
    const other = commandRef('pass', 'y')
    Object.assign(bench.inner.answers, {
      [PASS.text]: new LaunchError('failure', { what: 'locked' }),
      [other.text]: 'y',
    })
    expect((await bench.launch([PASS, other])).values).toEqual(['error: locked', 'y'])
    expect((await bench.launch([PASS, other])).values[0]).toMatch(/^error: locked; not asked again for \d+ s/)
    expect(bench.questions()).toHaveLength(2)
  })
})

describe('answers that are not all values', () => {
  test('one reference without an answer blocks no other: only what meant the whole source does', async () => {
    const bench = new Bench()
    bench.inner.answers[B.text] = refused('unavailable', '1password gives no reason')
    expect((await bench.launch([A, B])).values).toEqual(['a', 'error: 1password gives no reason'])
    expect((await bench.launch([C])).values).toEqual(['c'])
    expect((await bench.launch([B])).values[0]).toMatch(/^error: 1password gives no reason; not asked again/)
    expect(bench.blocked).toEqual([])
  })

  test.each([
    ['a value', 'value', 'value'],
    ['a "no"', refused('said-no', 'it is gone'), 'error: it is gone'],
  ])('%s for one lifts the block of the source for all', async (_, answer, expected) => {
    const bench = new Bench()
    bench.inner.answers[A.text] = new SourceError('unavailable', { what: 'no network' }, 'source')
    bench.inner.answers[B.text] = answer
    await bench.launch([A])
    expect((await bench.launch([C])).values[0]).toMatch(/^error: no network; not asked again/)
    expect(bench.blocked).toEqual(['1password 1 1'])
    await bench.refresh([B])
    bench.inner.answers[A.text] = 'a'
    expect((await bench.launch([A, B, C])).values).toEqual(['a', expect.stringContaining(expected), 'c'])
  })

  test('some values, some refusals, and some nothing: each is told, and the values are kept', async () => {
    const bench = new Bench()
    bench.inner.answers[B.text] = refused('said-no', 'b is gone')
    delete bench.inner.answers[C.text]
    const { values } = await bench.launch([A, B, C])
    expect(values).toEqual(['a', 'error: b is gone', `error: can't resolve "${C.text}": no answer`])
    expect(await bench.launch([A])).toMatchObject({ states: ['hit'] })
    expect(bench.questions()).toEqual(['a b c'])
  })

  test('all failures are told together', async () => {
    const bench = new Bench()
    for (const { text } of [A, B, C]) bench.inner.answers[text] = refused('said-no', `${text} is gone`)
    const { values } = await bench.launch([A, B, C])
    expect(values).toEqual([A, B, C].map(({ text }) => `error: ${text} is gone`))
  })

  test('a value that appears at one question and not at the next is what was said last', async () => {
    const bench = new Bench()
    await bench.launch([A])
    bench.inner.answers[A.text] = refused('said-no')
    await bench.refresh([A])
    expect((await bench.launch([A])).values[0]).toMatch(/^error: said-no/)
    bench.inner.answers[A.text] = 'again'
    await bench.refresh([A])
    expect(await bench.launch([A])).toMatchObject({ values: ['again'], states: ['hit'] })
  })
})

describe('what is never cached', () => {
  test('is asked for at every launch, beside what is', async () => {
    const bench = new Bench()
    const otp: Ref = { ...opRef('otp'), attribute: 'otp' } as Ref
    const passwords = ['1', '2']
    bench.inner.answers[otp.text] = () => passwords.shift() as string
    expect(await bench.launch([otp, A])).toMatchObject({ values: ['1', 'a'], states: ['not cached', 'fetched'] })
    expect(await bench.launch([otp, A])).toMatchObject({ values: ['2', 'a'], states: ['not cached', 'hit'] })
    expect([...(await (await bench.store()).readValues()).keys()]).toEqual([keyOf(A)])
  })

  test('leaves no cache behind', async () => {
    const bench = new Bench()
    expect((await bench.launch([A], { cache: false })).values).toEqual(['a'])
    expect((await bench.launch([A], { cache: false })).values).toEqual(['a'])
    expect(bench.questions()).toEqual(['a', 'a'])
    expect(() => readFileSync(join(bench.home, '.cache/mcp-launch/secrets.enc'))).toThrow('ENOENT')
  })
})

describe('a file that is decrypted', () => {
  const ref: Ref = { kind: 'age', file: 'secret.age', text: 'age:secret.age' }
  const withFile = () => {
    const bench = new Bench()
    const path = join(bench.home, 'secret.age')
    writeFileSync(path, 'one')
    bench.inner.answers[ref.text] = () => `from ${readFileSync(path, 'utf8')}`
    return { bench, path }
  }

  test('is decrypted here, and once for as long as its bytes are the same', async () => {
    const { bench, path } = withFile()
    expect(await bench.launch([ref])).toMatchObject({ values: ['from one'], states: ['fetched'] })
    bench.shift = 1000 * DAY
    expect(await bench.launch([ref])).toMatchObject({ values: ['from one'], states: ['hit'] })
    expect(bench.questions()).toHaveLength(1)
    expect(bench.fetches).toEqual([])
    writeFileSync(path, 'two')
    expect(await bench.launch([ref])).toMatchObject({ values: ['from two'], states: ['fetched'] })
    expect(await bench.launch([ref])).toMatchObject({ values: ['from two'], states: ['hit'] })
  })

  test('is not served from the cache when it is gone', async () => {
    const { bench, path } = withFile()
    await bench.launch([ref])
    rmSync(path)
    bench.inner.answers[ref.text] = new LaunchError('failure', { what: 'no such file' })
    expect((await bench.launch([ref])).values).toEqual(['error: no such file'])
  })

  test('that changes while it is decrypted is not taken for what was read', async () => {
    const { bench, path } = withFile()
    bench.inner.answers[ref.text] = () => {
      const value = `from ${readFileSync(path, 'utf8')}`
      writeFileSync(path, 'two')
      return value
    }
    expect((await bench.launch([ref])).values).toEqual(['from one'])
    expect((await bench.launch([ref])).values).toEqual(['from two'])
    writeFileSync(path, 'one')
    await bench.refresh([ref])
    expect((await bench.launch([ref])).values).toEqual(['from two'])
  })

  test('with the same value as before has not changed: no running server is outdated', async () => {
    const { bench, path } = withFile()
    bench.inner.answers[ref.text] = 'same'
    const changedAt = async () => [...(await (await bench.store()).readValues()).values()][0]?.changedAt
    await bench.launch([ref])
    const before = await changedAt()
    bench.shift = HOUR
    writeFileSync(path, 'two')
    await bench.launch([ref])
    expect(await changedAt()).toBe(before)
    bench.inner.answers[ref.text] = 'other'
    writeFileSync(path, 'three')
    await bench.launch([ref])
    expect(await changedAt()).toBeGreaterThan((before as number) + HOUR - MINUTE)
  })
})

describe('a fetch', () => {
  test('of all asks also for what is fresh, and keeps what it did not ask for', async () => {
    const bench = new Bench()
    await bench.launch([A, B])
    bench.inner.answers[A.text] = 'new'
    const rows = await bench.refresh([A])
    expect(rows.map(({ outcome }) => shown(outcome as never))).toEqual(['new'])
    expect(await bench.launch([A, B])).toMatchObject({ values: ['new', 'b'], states: ['hit', 'hit'] })
  })

  test('of what is due leaves the rest alone', async () => {
    const bench = new Bench()
    await bench.launch([A])
    const rows = await bench.refresh([A, B], { which: 'due', evenIfBlocked: false })
    expect(rows.map(({ item, outcome }) => [item.ref.text, typeof outcome === 'string' ? outcome : 'asked'])).toEqual([
      [A.text, 'fresh'],
      [B.text, 'asked'],
    ])
  })

  test('leaves out what was refused a short while ago, unless a person asks', async () => {
    const bench = new Bench()
    bench.inner.answers[A.text] = refused('said-no')
    await bench.refresh([A])
    expect(await bench.refresh([A], { evenIfBlocked: false })).toMatchObject([{ outcome: 'blocked' }])
    expect(bench.questions()).toHaveLength(1)
    bench.inner.answers[A.text] = 'value'
    expect(await bench.refresh([A])).not.toMatchObject([{ outcome: 'blocked' }])
    expect((await bench.launch([A])).states).toEqual(['hit'])
  })

  test('knows when a value changed', async () => {
    const bench = new Bench()
    const changedAt = async () => (await (await bench.store()).readValues()).get(keyOf(A))?.changedAt
    await bench.refresh([A])
    const first = await changedAt()
    bench.shift = HOUR
    await bench.refresh([A])
    expect(await changedAt()).toBe(first)
    bench.inner.answers[A.text] = 'new'
    await bench.refresh([A])
    expect(await changedAt()).toBeGreaterThan(first as number)
  })

  test('writes each source as it answers: a slow one keeps no other waiting', async () => {
    const bench = new Bench()
    const gate = Promise.withResolvers<void>()
    const { resolve } = bench.inner
    bench.inner.resolve = async (refs, deadline) => {
      if (refs.includes(PASS)) await gate.promise
      return resolve(refs, deadline)
    }
    const fetching = bench.refresh([A, PASS])
    await expect.poll(async () => [...(await (await bench.store()).readValues()).keys()]).toEqual([keyOf(A)])
    gate.resolve()
    await fetching
    expect((await bench.launch([A, PASS])).states).toEqual(['hit', 'hit'])
  })

  test('asks for no token where nothing needs one', async () => {
    const bench = new Bench()
    Object.defineProperty(bench, 'token', {
      get() {
        throw new Error('asked for the token')
      },
    })
    await bench.refresh([PASS])
    expect((await bench.launch([PASS])).states).toEqual(['hit'])
  })
})

test('a damaged key costs one question: it is made anew', async () => {
  const bench = new Bench()
  await bench.launch([A])
  writeFileSync(join(bench.home, '.local/state/mcp-launch/machine.key'), 'x')
  expect((await bench.launch([A])).states).toEqual(['fetched'])
  expect((await bench.launch([A])).states).toEqual(['hit'])
  expect(bench.questions()).toHaveLength(2)
})

describe('a cache that cannot be used', () => {
  test.each([
    ['a world-readable key', (home: string) => chmodSync(join(home, '.local/state/mcp-launch/machine.key'), 0o644)],
    ['an open directory', (home: string) => chmodSync(join(home, '.cache/mcp-launch'), 0o777)],
  ])('%s: the source is asked at each launch, and it is said why', async (_, spoil) => {
    const bench = new Bench()
    await bench.launch([A])
    spoil(bench.home)
    for (const count of [2, 3]) {
      const { values, notes, states } = await bench.launch([A])
      expect(values).toEqual(['a'])
      expect(states).toEqual(['not cached'])
      expect(notes).toEqual([expect.stringMatching(/^refusing the (machine key|cache directory) /)])
      expect(bench.questions()).toHaveLength(count)
    }
  })

  test.each(['ENOSPC', 'EROFS', 'EACCES'])('%s at every write', async (code) => {
    const fail = () => {
      throw errno(code)
    }
    const bench = new Bench({
      files: filesWith({ writeWhole: fail, create: fail, createWhole: fail, appendLine: fail, makeDirectory: fail }),
    })
    expect(await bench.launch([A])).toMatchObject({
      values: ['a'],
      notes: [expect.stringMatching(/^can't use the cache: /)],
    })
    expect(bench.questions()).toEqual(['a'])
  })

  test.each(['without a value', 'with an old one'])(
    'with room for the lock and not for the values, %s: the source is asked once a launch',
    async (which) => {
      const files = filesWith({})
      const bench = new Bench({ files })
      if (which === 'with an old one') await bench.launch([A])
      await bench.store()
      bench.shift = 5 * HOUR
      const full = (path: string) => {
        if (path.includes('.enc')) throw errno('ENOSPC')
      }
      Object.assign(files, {
        writeWhole(path: string, content: string) {
          full(path)
          filesWith({}).writeWhole(path, content)
        },
        create(path: string, content: string) {
          full(path)
          filesWith({}).create(path, content)
        },
      })
      const { length } = bench.questions()
      for (const count of [1, 2]) {
        const { values, notes } = await bench.launch([A])
        expect(values).toEqual(['a'])
        expect(notes).toEqual([expect.stringMatching(/^can't use the cache: no space left on the device/)])
        expect(bench.questions()).toHaveLength(length + count)
      }
      await expect(bench.refresh([A])).rejects.toThrow("can't use the cache: no space left on the device")
      expect(bench.questions()).toHaveLength(length + 2)
    },
  )

  test('asks for what is never cached, and for what could be, in one question', async () => {
    const bench = new Bench()
    const otp: Ref = { ...opRef('otp'), attribute: 'otp' } as Ref
    bench.inner.answers[otp.text] = '1'
    await bench.store()
    chmodSync(join(bench.home, '.cache/mcp-launch'), 0o777)
    expect((await bench.launch([otp, A])).values).toEqual(['1', 'a'])
    expect(bench.questions()).toEqual(['otp a'])
  })

  test('is no reason to ask for what was refused a short while ago', async () => {
    const bench = new Bench()
    bench.inner.answers[A.text] = refused('said-no', 'it is gone')
    await bench.launch([A])
    bench.startFetch = () => Promise.reject(errno('EAGAIN'))
    expect((await bench.launch([A, B])).values).toEqual([expect.stringMatching(/^error: it is gone; not asked/), 'b'])
    expect(bench.questions()).toEqual(['a', 'b'])
  })

  test('and no source: the failure is the source’s', async () => {
    const bench = new Bench()
    bench.inner.answers[A.text] = refused('unavailable', 'no network')
    bench.startFetch = () => Promise.reject(errno('EAGAIN'))
    expect((await bench.launch([A])).values).toEqual(['error: no network'])
  })
})

test('damage is fetched again, set aside and told once, however many find it', async () => {
  const bench = new Bench()
  await bench.launch([A])
  const { values } = (await bench.store()).places
  writeFileSync(values, 'garbage')
  const store = bench.store
  bench.store = async () => {
    const opened = await openStore(bench.world, (_, why) => void bench.damage.push(why))
    return opened instanceof LaunchError ? store.call(bench) : opened
  }
  const launches = await Promise.all(Array.from({ length: 10 }, () => bench.launch([A])))
  expect(launches.map((launch) => launch.values)).toEqual(Array(10).fill(['a']))
  expect(bench.questions()).toEqual(['a', 'a'])
  expect(bench.damage).toEqual(['it is no age file for one X25519 recipient'])
  expect(readFileSync(`${values}.damaged`, 'utf8')).toBe('garbage')
})
