import { inspect } from 'node:util'
import type { ResolveAllResponse } from '@1password/sdk'
import { describe, expect, test } from 'vitest'
import { LaunchError } from '../../../src/errors.ts'
import type { Connect, Connection, TokenSource } from '../../../src/secrets/op/connection.ts'
import { opEnvironment } from '../../../src/secrets/op/environment.ts'
import { parseRef } from '../../../src/secrets/parse-ref.ts'
import type { Ref } from '../../../src/secrets/ref.ts'
import { Secret } from '../../../src/secrets/secret.ts'
import { SourceError } from '../../../src/secrets/source.ts'
import { opSource } from '../../../src/secrets/sources/op.ts'
import { testWorld } from '../../world.ts'
import { canariesOf, madeUpToken } from '../op/token.ts'

const TOKEN = madeUpToken('canary-account.1password.com')
const WORLD = testWorld()
const ONE = parseRef('op://vault/item/one')
const TWO = parseRef('op://vault/item/two')
const OTP = parseRef('op://vault/item/code?attribute=otp')

const values = (response: Record<string, string>): ResolveAllResponse => ({
  individualResponses: Object.fromEntries(
    Object.entries(response).map(([ref, secret]) => [ref, { content: { secret, itemId: 'i', vaultId: 'v' } }]),
  ),
})

/** A 1Password that notes what it is asked. */
function fake(connection: Partial<Connection> = {}) {
  const asked: string[][] = []
  const tokens: string[] = []
  let tokensAsked = 0
  const connect: Connect = (token) => {
    tokens.push(token)
    return Promise.resolve({
      environment: () => Promise.reject(new Error('not asked for here')),
      ...connection,
      resolveAll(refs) {
        asked.push(refs)
        return connection.resolveAll?.(refs) ?? Promise.resolve(values({}))
      },
    })
  }
  const token: TokenSource = () => {
    tokensAsked += 1
    return Promise.resolve(new Secret(TOKEN))
  }
  return { connect, token, asked, tokens, tokensAsked: () => tokensAsked }
}

const never = () => new Promise<never>(() => {})

function ask(refs: readonly Ref[], onepassword = fake(), limitMs = 30_000) {
  const source = opSource(WORLD, onepassword.token, onepassword.connect)
  return source.resolve(refs, WORLD.now() + limitMs)
}

describe('op://', () => {
  test('one token, one sign-in and one request for all, each reference once', async () => {
    const onepassword = fake({
      resolveAll: () =>
        Promise.resolve(values({ [ONE.text]: 'canary-1', [TWO.text]: 'canary\n2', [OTP.text]: '123456' })),
    })
    const outcomes = await ask([ONE, TWO, ONE, parseRef('env:A'), OTP, TWO, parseRef('sops:a#/b')], onepassword)
    expect([...outcomes].map(([ref, outcome]) => [ref, (outcome as Secret).reveal()])).toEqual([
      [ONE.text, 'canary-1'],
      [TWO.text, 'canary\n2'],
      [OTP.text, '123456'],
    ])
    expect(onepassword.asked).toEqual([[ONE.text, TWO.text, OTP.text]])
    expect(onepassword.tokens).toEqual([TOKEN])
    expect(onepassword.tokensAsked()).toBe(1)
    expect(inspect(outcomes, { depth: 9, showHidden: true }) + JSON.stringify([...outcomes])).not.toContain('canary')
  })

  test('nothing is asked where nothing is to be asked', async () => {
    const onepassword = fake()
    expect(await ask([parseRef('env:A')], onepassword)).toEqual(new Map())
    expect(await ask([], onepassword)).toEqual(new Map())
    expect(onepassword.tokensAsked() + onepassword.tokens.length).toBe(0)
  })

  test('a "no" for one is no "no" for the others', async () => {
    const onepassword = fake({
      resolveAll: () =>
        Promise.resolve({
          individualResponses: {
            ...values({ [ONE.text]: 'x' }).individualResponses,
            [TWO.text]: { error: { type: 'itemNotFound' } },
          },
        }),
    })
    const outcomes = await ask([ONE, TWO, OTP], onepassword)
    expect(outcomes.get(ONE.text)).toBeInstanceOf(Secret)
    expect(outcomes.get(TWO.text)).toMatchObject({ refusal: 'said-no' })
    expect(outcomes.get(OTP.text)).toMatchObject({ refusal: 'unavailable' })
  })

  test('a reference that is none is not sent, and not shown', async () => {
    const onepassword = fake()
    const bad = ['op://v//f', 'op://v/i', 'op://v/i/f/', 'canary-secret', 'env:A', 'op://v/i/f '].map(
      (text): Ref => ({ kind: 'op', vault: 'v', item: 'i', field: 'f', text }),
    )
    const outcomes = await ask([...bad, ONE], onepassword)
    expect(onepassword.asked).toEqual([[ONE.text]])
    for (const { text } of bad) {
      expect(outcomes.get(text)).toMatchObject({ refusal: 'said-no' })
      expect((outcomes.get(text) as LaunchError).message).toBe("can't resolve a 1password reference: it is malformed")
    }
  })

  test('without a token every reference has the reason why there is none', async () => {
    const reason = new LaunchError('failure', { what: 'no token' })
    const onepassword = { ...fake(), token: () => Promise.resolve(reason) }
    const outcomes = await ask([ONE, TWO], onepassword)
    expect([...outcomes.values()].every((outcome) => outcome === reason)).toBe(true)
    expect(outcomes.size).toBe(2)
    expect(onepassword.tokens).toEqual([])
  })

  test.each([
    ['an error', new Error(`authentication error: ${TOKEN}`)],
    ['a string', `"${TOKEN}"`],
    ['JSON', JSON.stringify({ name: 'x', message: TOKEN })],
    ['nothing', undefined],
    ['a cause', new Error('x', { cause: TOKEN })],
  ])('a request that fails with %s is one failure for all, and shows no part of the token', async (_, thrown) => {
    for (const onepassword of [
      { ...fake(), connect: () => Promise.reject(thrown) },
      fake({ resolveAll: () => Promise.reject(thrown) }),
    ]) {
      const outcomes = await ask([ONE, TWO], onepassword)
      const [first, second] = outcomes.values()
      expect(first).toBe(second)
      expect(first).toBeInstanceOf(SourceError)
      expect(first).toMatchObject({ refusal: 'unavailable', message: expect.not.stringContaining('op://') })
      const printed = `${inspect(first, { depth: 9, showHidden: true })} ${JSON.stringify(first)} ${first}`
      for (const canary of canariesOf(TOKEN)) expect(printed).not.toContain(canary)
    }
  })

  test.each([
    ['signing in', { ...fake(), connect: never }],
    ['the request', fake({ resolveAll: never })],
    ['the token', { ...fake(), token: never }],
  ])('%s hangs: cut off at the deadline', async (_, onepassword) => {
    const outcomes = await ask([ONE, TWO], onepassword, 50)
    expect(outcomes.get(ONE.text)).toBe(outcomes.get(TWO.text))
    expect(outcomes.get(ONE.text)).toMatchObject({
      refusal: 'unavailable',
      message: expect.stringMatching(/^can't reach 1password: no answer within 0(\.\d)? s$/),
    })
  })

  test('what fails after the deadline fails unseen', async () => {
    let fail = (_: Error) => {}
    const late = new Promise<never>((_, reject) => {
      fail = reject
    })
    await ask([ONE], fake({ resolveAll: () => late }), 20)
    // An unhandled rejection fails the run.
    fail(new Error('canary'))
    await expect(late).rejects.toThrow()
  })

  test('nothing is asked after the deadline', async () => {
    const onepassword = fake()
    expect((await ask([ONE], onepassword, -1)).get(ONE.text)).toMatchObject({ refusal: 'unavailable' })
    expect(onepassword.tokensAsked()).toBe(0)
  })

  test('a deadline farther off than a timer goes', async () => {
    // Node takes a timer that is too long for one of 1 ms, which would be before this one.
    const afterIt = async () => {
      await new Promise((resolve) => setTimeout(resolve, 2))
      return values({ [ONE.text]: 'x' })
    }
    expect((await ask([ONE], fake({ resolveAll: afterIt }), 2 ** 40)).get(ONE.text)).toBeInstanceOf(Secret)
  })
})

describe('a 1Password Environment', () => {
  const ask = (onepassword: ReturnType<typeof fake>) =>
    opEnvironment(WORLD, onepassword.token, 'environment-id', WORLD.now() + 30_000, onepassword.connect)

  test('is its variables by name', async () => {
    const variables = [
      { name: 'A', value: 'canary-a', masked: true },
      { name: 'B', value: '', masked: false },
    ]
    const found = await ask(fake({ environment: (id) => Promise.resolve(id === 'environment-id' ? variables : []) }))
    expect(inspect(found, { depth: 9 })).not.toContain('canary')
    expect([...(found as Map<string, Secret>)].map(([name, value]) => [name, value.reveal()])).toEqual([
      ['A', 'canary-a'],
      ['B', ''],
    ])
  })

  test.each([
    [new Error('Environment was not found'), 'said-no'],
    [new Error('rate limit exceeded'), 'rate-limited'],
    [new Error('canary'), 'unavailable'],
  ])('fails as references do: %s', async (thrown, refusal) => {
    expect(await ask(fake({ environment: () => Promise.reject(thrown) }))).toMatchObject({ refusal })
  })

  test('an answer that makes no sense', async () => {
    const environment = () => Promise.resolve(undefined as never)
    expect(await ask(fake({ environment }))).toMatchObject({ refusal: 'unavailable' })
  })
})

describe('a real account', () => {
  const { OP_SERVICE_ACCOUNT_TOKEN: token, MCP_LAUNCH_TEST_OP_REF: reference } = process.env

  test('gives a value, and says no', async (context) => {
    if (!token || !reference) return context.skip('takes OP_SERVICE_ACCOUNT_TOKEN and MCP_LAUNCH_TEST_OP_REF')
    const good = parseRef(reference)
    const bad = parseRef('op://no-such-vault-of-mcp-launch/item/field')
    const source = opSource(WORLD, () => Promise.resolve(new Secret(token)))
    const outcomes = await source.resolve([good, bad], WORLD.now() + 30_000)
    expect(outcomes.get(good.text)).toBeInstanceOf(Secret)
    expect((outcomes.get(good.text) as Secret).byteLength).toBeGreaterThan(0)
    expect(outcomes.get(bad.text)).toMatchObject({ refusal: 'said-no' })
  })
})
