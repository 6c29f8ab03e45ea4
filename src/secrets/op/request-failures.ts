import { LaunchError } from '../../errors.ts'
import { type Refusal, SourceError } from '../source.ts'
import { TypedFailure } from './connection.ts'
import { scrubbed } from './scrub.ts'

interface Failure {
  readonly refusal: Refusal
  readonly what: string
  readonly why: string
  readonly hint: string
}

const UNREACHABLE = "can't reach 1password"
const REJECTED = '1password rejected the token'
const TRY_AGAIN = 'try again: mcp-launch secrets refresh'

const RATE_LIMITED: Failure = {
  refusal: 'rate-limited',
  what: '1password refuses requests for now',
  why: 'the rate limit is exceeded',
  hint: "wait: the token's limit lasts an hour, the account's a day; op service-account ratelimit tells which",
}

/** Not a rejected token: after signing in anew a token that is really gone is rejected as such. */
const SESSION_ENDED: Failure = {
  refusal: 'unavailable',
  what: '1password gave no values',
  why: 'it ended the session in between',
  hint: TRY_AGAIN,
}

const TOKEN_GONE: Failure = {
  refusal: 'token-rejected',
  what: REJECTED,
  why: 'it is expired, revoked or deleted',
  hint: 'make a new service-account token, put it in the place of the old, then: mcp-launch secrets refresh',
}

const unavailable = (why: string, hint: string = TRY_AGAIN): Failure => ({
  refusal: 'unavailable',
  what: UNREACHABLE,
  why,
  hint,
})

/**
 * By the words in the SDK's messages, the first that fits: nearly all its errors are of no class of their own.
 * Every line but those marked "read" was seen with the real SDK 0.5.0, and its tests look at it; "read" are lines
 * found in its WebAssembly or in its issues, which take an account to be seen.
 */
const BY_WORDS: readonly (readonly [RegExp, Failure])[] = [
  [/rate limit exceeded|rate-limited|too many requests/i, RATE_LIMITED],
  [
    /token had invalid format|invalid service account token|deserialization failed|base64 decoding failed|requires either `auth`/,
    {
      refusal: 'token-malformed',
      what: "can't use the 1password token",
      why: 'it is no whole service-account token',
      hint: 'copy it again, all of it (it begins with ops_), or make a new one on 1password.com',
    },
  ],
  [
    // The server's parameters for the account aren't those in the token; "secret key …" is read.
    /bad service account token|secret key (?:from lookup response|was the wrong length)|unrecognized secret key/,
    {
      ...TOKEN_GONE,
      why: "it doesn't fit the service account any more",
    },
  ],
  // 401, while signing in or (read: onepassword-sdk-js#106) after it; a closed account is read.
  [/you are not authenticated|401 Unauthorized|account couldn't be found/, TOKEN_GONE],
  [/^authentication error: .*you don't have the right permissions/, TOKEN_GONE],
  [
    // Read: signed in, and then refused.
    /have the right permissions/,
    {
      refusal: 'said-no',
      what: '1password refused the request',
      why: 'the service account has no permission for it',
      hint: 'give the service account read access to the vaults that the registry names',
    },
  ],
  [/session (?:seems )?expired/, SESSION_ENDED],
  [
    /error sending request/,
    unavailable(
      'no connection (network, DNS, proxy or TLS)',
      'check the network; behind a proxy set HTTPS_PROXY, and NODE_EXTRA_CA_CERTS if it has a certificate of its own',
    ),
  ],
  [/request timeout/, unavailable('it says that the request took too long')],
  [/internal server error/, unavailable('it has an internal error (500)', 'see https://status.1password.com')],
  [/status code in response: 5\d\d/, unavailable('it has an error (5xx)', 'see https://status.1password.com')],
  [/retrieving response contents/, unavailable('its answer broke off')],
  [
    /when deserializing|resource not found|bad request|status code in response/,
    unavailable(
      'what answered makes no sense',
      'see whether a proxy or the login page of a network answers in its place, and whether mcp-launch is up to date',
    ),
  ],
  [/a conflict occurred/, unavailable('two requests came in between each other')],
  [
    // Read.
    /environment was not found|invalid environment UUID|no credential broker configuration/i,
    {
      refusal: 'said-no',
      what: '1password gave no values',
      why: 'there is no such environment, or the service account may not see it',
      hint: "check the environment's ID, and that the service account has access to it",
    },
  ],
]

/**
 * Why a whole request has no answer. `thrown` is whatever the SDK threw; its words are quoted only if nobody knows
 * them, and then without what may be part of `token`.
 */
export function requestFailure(thrown: unknown, token: string): LaunchError {
  if (isMissingCore(thrown)) {
    return new LaunchError('failure', {
      what: "can't load the 1password SDK",
      why: 'its core_bg.wasm is missing or broken',
      hint: 'install mcp-launch anew: the file belongs beside mcp-launch.cjs',
    })
  }
  const message = messageOf(thrown)
  return toError(knownFailure(thrown, message) ?? unknownFailure(message, token))
}

/** Why there is no answer after so many milliseconds. */
export function noAnswer(waitedMs: number): SourceError {
  const hint = 'check the network, or raise "resolveTimeout" under "cache"'
  return toError(unavailable(`no answer within ${Math.round(waitedMs / 100) / 10} s`, hint))
}

/** The whole request failed: the next one, for whatever reference, would too. A "no" is about what was asked for. */
function toError({ refusal, ...fault }: Failure): SourceError {
  return new SourceError(refusal, fault, refusal === 'said-no' ? 'reference' : 'source')
}

function knownFailure(thrown: unknown, message: string): Failure | undefined {
  if (thrown instanceof TypedFailure) return thrown.kind === 'rate-limited' ? RATE_LIMITED : SESSION_ENDED
  return BY_WORDS.find(([words]) => words.test(message))?.[1]
}

function unknownFailure(message: string, token: string): Failure {
  const words = scrubbed(message, token)
  return unavailable(words === '' ? 'it failed without a word' : `it failed with "${words}"`)
}

/** The SDK reads the file when it is loaded, with Node's own errors, and compiles it. */
function isMissingCore(thrown: unknown): boolean {
  if (!(thrown instanceof Error)) return false
  return ['CompileError', 'LinkError'].includes(thrown.name) || thrown.message.includes('core_bg.wasm')
}

/** The words of anything thrown; a string may be JSON with a `message` in it. */
function messageOf(thrown: unknown): string {
  if (typeof thrown === 'string') return messageOfJson(thrown)
  if (typeof thrown !== 'object' || thrown === null || !('message' in thrown)) return ''
  return typeof thrown.message === 'string' ? messageOfJson(thrown.message) : ''
}

function messageOfJson(text: string): string {
  if (!text.startsWith('{')) return text
  try {
    const { name, message } = JSON.parse(text) as { name?: unknown; message?: unknown }
    return name === 'RateLimitExceeded' ? 'rate limit exceeded' : String(message ?? name ?? '')
  } catch {
    return text
  }
}
