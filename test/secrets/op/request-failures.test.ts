import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { LaunchError } from '../../../src/errors.ts'
import { TypedFailure } from '../../../src/secrets/op/connection.ts'
import { noAnswer, requestFailure } from '../../../src/secrets/op/request-failures.ts'
import { type Refusal, SourceError } from '../../../src/secrets/source.ts'
import { canariesOf, madeUpToken } from './token.ts'

const TOKEN = madeUpToken('canary-account.1password.com')
const MALFORMED = "can't use the 1password token: it is no whole service-account token"
const GONE = '1password rejected the token: it is expired, revoked or deleted'
const STALE = "1password rejected the token: it doesn't fit the service account any more"
const LIMIT = '1password refuses requests for now: the rate limit is exceeded'
const ENDED = '1password gave no values: it ended the session in between'
const NONSENSE = "can't reach 1password: what answered makes no sense"
const NO_ENVIRONMENT = '1password gave no values: there is no such environment, or the service account may not see it'
const AUTH = 'authentication error: '

/** What is thrown → what is said. Those that can be had from the real SDK are in real-sdk.test.ts as well. */
const TABLE: readonly [unknown, Refusal, string][] = [
  [new TypedFailure('rate-limited'), 'rate-limited', LIMIT],
  [new TypedFailure('session-ended'), 'unavailable', ENDED],
  [new Error(`${AUTH}rate limit exceeded`), 'rate-limited', LIMIT],
  [new Error('Too many requests. Your client has been rate-limited.'), 'rate-limited', LIMIT],
  ['{"name":"RateLimitExceeded","message":"canary"}', 'rate-limited', LIMIT],
  ['{"name":"Other","message":"rate limit exceeded"}', 'rate-limited', LIMIT],
  [new Error('invalid user input: … service account token had invalid format'), 'token-malformed', MALFORMED],
  [new Error('service account deserialization failed, please …'), 'token-malformed', MALFORMED],
  [new Error('service account token base64 decoding failed, please …'), 'token-malformed', MALFORMED],
  [new Error('createClient requires either `auth` (service …'), 'token-malformed', MALFORMED],
  [new Error(`${AUTH}bad service account token, please rotate it: …`), 'token-rejected', STALE],
  [new Error(`${AUTH}secret key from lookup response did not match local`), 'token-rejected', STALE],
  [new Error(`${AUTH}you are not authenticated`), 'token-rejected', GONE],
  [new Error(`${AUTH}you don't have the right permissions to access this resource`), 'token-rejected', GONE],
  [new Error('error when retrieving vault metadata: unexpected http status: 401 Unauthorized'), 'token-rejected', GONE],
  [
    new Error('you do not have the right permissions to perform this action: canary'),
    'said-no',
    '1password refused the request: the service account has no permission for it',
  ],
  [new Error('session seems expired even after retrying'), 'unavailable', ENDED],
  [
    new Error(`${AUTH}request library compatibility issue, …: reqwest library: error sending request`),
    'unavailable',
    "can't reach 1password: no connection (network, DNS, proxy or TLS)",
  ],
  [new Error(`${AUTH}request timeout`), 'unavailable', "can't reach 1password: it says that the request took too long"],
  [new Error(`${AUTH}internal server error`), 'unavailable', "can't reach 1password: it has an internal error (500)"],
  [
    new Error('unexpected status code in response: 503 Service Unavailable'),
    'unavailable',
    "can't reach 1password: it has an error (5xx)",
  ],
  [
    new Error('Unexpected error when retrieving response contents'),
    'unavailable',
    "can't reach 1password: its answer broke off",
  ],
  [new Error('when deserializing HTTP responses into the corresponding types'), 'unavailable', NONSENSE],
  [new Error('unexpected status code in response: 426 Upgrade Required'), 'unavailable', NONSENSE],
  [new Error(`${AUTH}bad request`), 'unavailable', NONSENSE],
  [
    new Error('a conflict occurred on the server. …'),
    'unavailable',
    "can't reach 1password: two requests came in between each other",
  ],
  [new Error('Environment was not found'), 'said-no', NO_ENVIRONMENT],
  [new Error('invalid environment UUID'), 'said-no', NO_ENVIRONMENT],
  [
    new Error('the moon\n is  \u0007in the way'),
    'unavailable',
    'can\'t reach 1password: it failed with "the moon is in the way"',
  ],
  ['{"message":"the moon"}', 'unavailable', 'can\'t reach 1password: it failed with "the moon"'],
  ['{broken', 'unavailable', 'can\'t reach 1password: it failed with "{broken"'],
  ...[undefined, null, 7, {}, { message: 7 }, new Error(''), Symbol('canary')].map(
    (thrown): [unknown, Refusal, string] => [thrown, 'unavailable', "can't reach 1password: it failed without a word"],
  ),
]

test.each(TABLE)('%o is %s', (thrown, refusal, message) => {
  const failure = requestFailure(thrown, TOKEN)
  expect(failure).toBeInstanceOf(SourceError)
  expect(failure).toMatchObject({ refusal, message, hint: expect.stringMatching(/^[a-z].*[^.]$/) })
  expect(failure.code).toBe(refusal === 'rate-limited' || refusal === 'unavailable' ? 'unavailable' : 'failure')
  expect(inspect(failure)).not.toContain('canary')
})

test('an SDK that is not whole is no fault of 1password', () => {
  const missing = Object.assign(new Error("ENOENT: no such file or directory, open '/x/core_bg.wasm'"), {
    code: 'ENOENT',
  })
  const broken = Object.assign(new Error('expected magic word'), { name: 'CompileError' })
  for (const thrown of [missing, broken]) {
    const failure = requestFailure(thrown, TOKEN)
    expect(failure).toBeInstanceOf(LaunchError)
    expect(failure).not.toBeInstanceOf(SourceError)
    expect(failure.message).toBe("can't load the 1password SDK: its core_bg.wasm is missing or broken")
  }
})

test('no answer in time', () => {
  expect(noAnswer(3_999)).toMatchObject({ refusal: 'unavailable', exitCode: 75 })
  expect(noAnswer(3_999).message).toBe("can't reach 1password: no answer within 4 s")
  expect(noAnswer(250).message).toContain('within 0.3 s')
})

describe('a message that nobody knows', () => {
  const said = (message: string, token = TOKEN) => requestFailure(new Error(message), token).message

  test.each([
    ['the token', TOKEN],
    ['its beginning', TOKEN.slice(0, 30)],
    ['its middle', TOKEN.slice(100, 112)],
    ['its end', TOKEN.slice(-10)],
    ['its key', 'A3-CANARY-KEYKEY-NPQRS-TVWXY-Z2345-6789A'],
    ['a part of its key', 'key=NPQRS-TVWXY'],
    ['its key within more', `x=${canariesOf(TOKEN).at(-2)};`],
    ['another token', 'ops_canary'],
    ['a long key', 'Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5'],
  ])('is quoted without %s', (_, part) => {
    const message = said(`cannot use "${part}" here`)
    expect(message).toMatch(/^can't reach 1password: it failed with "cannot use ".*\[…\].*" here"$/)
    for (let start = 0; start + 6 <= part.length; start += 1)
      expect(message).not.toContain(part.slice(start, start + 6))
  })

  test('is quoted without parts of a token that is malformed', () => {
    expect(said('cannot use canary-token', 'canary-token')).toBe(
      'can\'t reach 1password: it failed with "cannot use […]"',
    )
    expect(said('cannot use it', '')).toBe('can\'t reach 1password: it failed with "cannot use it"')
  })

  test('is cut short after what is secret is taken out', () => {
    const message = said(`${'x '.repeat(38)}${TOKEN} and so on`)
    expect(message).toBe(`can't reach 1password: it failed with "${'x '.repeat(38)}[…]…"`)
  })
})
