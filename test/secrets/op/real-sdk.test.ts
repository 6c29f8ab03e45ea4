import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Secrets } from '@1password/sdk'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { parseRef } from '../../../src/secrets/parse-ref.ts'
import {
  type Answerer,
  always,
  askRealSdk,
  half,
  type Loopback,
  makeCertificate,
  never,
  type Runtime,
  signingIn,
  silentServer,
  tlsServer,
  uselessProxy,
} from './loopback.ts'
import type { Answer, Question } from './real-sdk.ts'
import { canariesOf, madeUpToken } from './token.ts'

// The wording of the SDK's errors is all there is to tell them apart by. If one of these fails after an update, the
// SDK has reworded: mend src/secrets/op/request-failures.ts.

// With the pid, or a run of the whole-program tests takes it for abandoned.
const directory = mkdtempSync(join(tmpdir(), `mcp-launch-test-${process.pid}-op-`))
afterAll(() => rmSync(directory, { recursive: true, force: true }))
const noOpenssl = makeCertificate(directory)

const TRUSTING = { NODE_EXTRA_CA_CERTS: join(directory, 'cert.pem') }
const REFS = ['op://vault/item/one', 'op://vault/item/two?attribute=otp']

async function ask(
  runtime: Runtime,
  token: string,
  env: Record<string, string> = TRUSTING,
  more: Partial<Question> = {},
) {
  const answers = await askRealSdk(runtime, directory, { token, refs: REFS, limitMs: 30_000, ...more }, env)
  for (const canary of canariesOf(token)) expect(JSON.stringify(answers)).not.toContain(canary)
  for (const answer of answers) expect(answer).toEqual(answers[0])
  return answers[0] as Answer
}

async function askServer(runtime: Runtime, opening: Promise<Loopback>, env = TRUSTING, more: Partial<Question> = {}) {
  const server = await opening
  try {
    return { answer: await ask(runtime, madeUpToken(server.address), env, more), requests: server.requests }
  } finally {
    server.close()
  }
}

const START = 'POST /api/v3/auth/start'
const VERIFY = 'POST /api/v2/auth'
const GONE = '1password rejected the token: it is expired, revoked or deleted'
const LIMIT = '1password refuses requests for now: the rate limit is exceeded'
const NO_CONNECTION = "can't reach 1password: no connection (network, DNS, proxy or TLS)"
const NONSENSE = "can't reach 1password: what answered makes no sense"
const INTERNAL = "can't reach 1password: it has an internal error (500)"
const TOO_LATE = expect.stringMatching(/^can't reach 1password: no answer within [56](\.\d)? s$/)
/** Long enough for a process to start and to ask on a busy machine: that it has asked is looked at. */
const HANGING_MS = 6000
const STALE = "1password rejected the token: it doesn't fit the service account any more"

const AT_START: readonly [string, Answerer, string, string][] = [
  ['400', always(400), 'unavailable', NONSENSE],
  ['401', always(401), 'token-rejected', GONE],
  ['403', always(403), 'token-rejected', GONE],
  ['404', always(404), 'unavailable', NONSENSE],
  ['426', always(426), 'unavailable', NONSENSE],
  ['409', always(409), 'unavailable', "can't reach 1password: two requests came in between each other"],
  ['429', always(429), 'rate-limited', LIMIT],
  ['500', always(500), 'unavailable', INTERNAL],
  ['502', always(502), 'unavailable', "can't reach 1password: it has an error (5xx)"],
  ['503', always(503), 'unavailable', "can't reach 1password: it has an error (5xx)"],
  ['garbage', always(200, '<html>Welcome to the hotel</html>'), 'unavailable', NONSENSE],
  ['JSON of another shape', always(200, '{"status":1,"userAuth":[]}'), 'unavailable', NONSENSE],
  ["another account's parameters", always(200, '{}'), 'token-rejected', STALE],
  ['half an answer', half, 'unavailable', "can't reach 1password: its answer broke off"],
  ['a connection cut off', (request) => request.socket.destroy(), 'unavailable', NO_CONNECTION],
]

const AT_VERIFY: readonly [string, Answerer, string, string][] = [
  ['401', always(401), 'token-rejected', GONE],
  ['403', always(403), 'token-rejected', GONE],
  ['429', always(429), 'rate-limited', LIMIT],
  ['500', always(500), 'unavailable', INTERNAL],
  ['garbage', always(200, 'garbage'), 'unavailable', NONSENSE],
  ['half an answer', half, 'unavailable', "can't reach 1password: its answer broke off"],
]

describe.concurrent.each<Runtime>(['node', 'bun'])('the real SDK on %s', (runtime) => {
  test.skipIf(noOpenssl).each(AT_START)('%s at the first request', async (_, answerer, refusal, message) => {
    const { answer, requests } = await askServer(runtime, tlsServer(directory, answerer))
    expect(answer).toMatchObject({ refusal, message })
    expect(answer.hint).not.toBe('')
    expect(requests[0]).toBe(START)
  })

  test.skipIf(noOpenssl).each(AT_VERIFY)('%s at the second request', async (_, answerer, refusal, message) => {
    const { answer, requests } = await askServer(runtime, tlsServer(directory, signingIn(answerer)))
    expect(answer).toMatchObject({ refusal, message })
    expect(requests.slice(0, 2)).toEqual([START, VERIFY])
  })

  test.skipIf(noOpenssl)('a server that never answers', async () => {
    const limit = { limitMs: HANGING_MS }
    const { answer, requests } = await askServer(runtime, tlsServer(directory, never), TRUSTING, limit)
    expect(answer).toMatchObject({ refusal: 'unavailable', message: TOO_LATE })
    expect(requests).toEqual([START])
  })

  test('a server that accepts and is silent', async () => {
    const { answer, requests } = await askServer(runtime, silentServer(), TRUSTING, { limitMs: HANGING_MS })
    expect(answer).toMatchObject({ refusal: 'unavailable', message: TOO_LATE })
    expect(requests).toEqual(['connection'])
  })

  test.skipIf(noOpenssl)('a certificate that nobody vouches for', async () => {
    const { answer, requests } = await askServer(runtime, tlsServer(directory, always(200)), {} as typeof TRUSTING)
    expect(answer).toMatchObject({ refusal: 'unavailable', message: NO_CONNECTION })
    expect(requests).toEqual([])
  })

  test('nobody there', async () => {
    const server = await silentServer()
    server.close()
    const answer = await ask(runtime, madeUpToken(server.address))
    expect(answer).toMatchObject({ refusal: 'unavailable', message: NO_CONNECTION })
  })

  test('an unknown host', async () => {
    const answer = await ask(runtime, madeUpToken('no-such-account.invalid'))
    expect(answer).toMatchObject({ refusal: 'unavailable', message: NO_CONNECTION })
  })

  test.each(['HTTPS_PROXY', 'https_proxy'])('goes through the proxy in %s', async (variable) => {
    const proxy = await uselessProxy()
    const env = { [variable]: `http://${proxy.address}` }
    const answer = await ask(runtime, madeUpToken('no-such-account.invalid'), env)
    proxy.close()
    expect(answer).toMatchObject({ refusal: 'unavailable', message: NO_CONNECTION })
    expect(proxy.requests[0]).toBe('CONNECT no-such-account.invalid:443')
  })

  test('a proxy that has no address', async () => {
    const env = { HTTPS_PROXY: 'canary://name:canary@[' }
    const answer = await ask(runtime, madeUpToken('no-such-account.invalid'), env)
    expect(answer).toMatchObject({ refusal: 'unavailable', message: expect.stringMatching(/^can't reach 1password: /) })
    expect(JSON.stringify(answer)).not.toContain('canary')
  })

  test.each([
    ['nothing', ''],
    ['some other secret', 'canary-some-other-secret'],
    ['a beginning alone', 'ops_'],
    ['no base64', 'ops_!canary!'],
    ['no JSON', `ops_${Buffer.from('canary').toString('base64url')}`],
    ['JSON of another shape', `ops_${Buffer.from('{"secretKey":"canary"}').toString('base64url')}`],
    ['a part that is wrong', madeUpToken('127.0.0.1:1', { secretKey: 'A3-canary' })],
    ['a token cut off', madeUpToken('127.0.0.1:1').slice(0, -20)],
    ['a line break at its end', `${madeUpToken('127.0.0.1:1')}\n`],
  ])('a malformed token: %s', async (_, token) => {
    const answer = await ask(runtime, token)
    const message = "can't use the 1password token: it is no whole service-account token"
    expect(answer).toMatchObject({ refusal: 'token-malformed', message })
    expect(JSON.stringify(answer)).not.toContain('canary')
  })

  test.skipIf(noOpenssl)('a 1Password Environment, refused', async () => {
    const environment = { environment: 'abcdefghijklmnopqrstuvwxya' }
    const { answer } = await askServer(runtime, tlsServer(directory, always(429)), TRUSTING, environment)
    expect(answer).toMatchObject({ refusal: 'rate-limited', message: LIMIT })
  })
})

test("what this program takes for a reference, the SDK's own check takes too", () => {
  const segment = fc.stringMatching(/^[A-Za-z0-9_.-](?:[A-Za-z0-9_. -]{0,8}[A-Za-z0-9_.-])?$/)
  const path = fc.array(segment, { minLength: 3, maxLength: 4 }).map((segments) => segments.join('/'))
  const query = fc.constantFrom('', '?attribute=otp', '?attribute=totp', '?ssh-format=openssh')
  fc.assert(
    fc.property(path, query, (where, how) => {
      const { text } = parseRef(`op://${where}${how}`)
      expect(() => Secrets.validateSecretReference(text)).not.toThrow()
    }),
  )
  expect(() => Secrets.validateSecretReference('op://v/i')).toThrow()
})
