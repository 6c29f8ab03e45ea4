import { type Fault, LaunchError } from '../errors.ts'
import type { Ref } from './ref.ts'
import type { Secret } from './secret.ts'

/** A value, or why there is none. */
export type Outcome = Secret | LaunchError

/**
 * How a remote source refuses; what the cache does next depends on it.
 * - `said-no`: it knows the reference has no value for us (gone, withdrawn): the cached value is purged.
 * - `token-rejected`: the token is expired, revoked or deleted: nothing is asked with it again, and what was fetched with
 *   it is not served beyond its time. `token-malformed`: it is no token, which says nothing of the account.
 * - `rate-limited` and `unavailable`: asking again later may help, and an old value may be served meanwhile.
 * - `not-asked`: nobody was asked, for want of a program, a file, a variable or a token: looking again costs nothing.
 */
export type Refusal = 'said-no' | 'token-rejected' | 'token-malformed' | 'rate-limited' | 'unavailable' | 'not-asked'

/**
 * Whom a refusal concerns: the reference that was asked for; the source, so that nothing else has to be asked there for
 * now; or whoever asked: in another environment the answer may be another.
 */
export type Concern = 'reference' | 'source' | 'asker'

/** A remote source's answer that is no value. */
export class SourceError extends LaunchError {
  readonly refusal: Refusal
  readonly concerns: Concern

  /** @param concerns by default the source for a token or a limit, the asker if nobody was asked, else the reference. */
  constructor(refusal: Refusal, fault: Fault, concerns: Concern = usualConcern(refusal)) {
    super(refusal === 'rate-limited' || refusal === 'unavailable' ? 'unavailable' : 'failure', fault)
    this.refusal = refusal
    this.concerns = concerns
  }
}

/** Nobody was asked, and this is why. */
export function notAsked({ message, detail, hint }: LaunchError): SourceError {
  const more = { ...(detail === undefined ? {} : { detail }), ...(hint === undefined ? {} : { hint }) }
  return new SourceError('not-asked', { what: message, ...more })
}

function usualConcern(refusal: Refusal): Concern {
  if (refusal === 'not-asked') return 'asker'
  return ['token-rejected', 'token-malformed', 'rate-limited'].includes(refusal) ? 'source' : 'reference'
}

/**
 * A place that secrets come from.
 *
 * `resolve` gets every reference of a launch at once, so that a source can answer many with one request or one
 * decryption. A reference that is not this source's is *absent* from the answer; one that is, but has no value,
 * is there as a `LaunchError` (`unavailable` where a later try may succeed, else `failure`). It never throws for a
 * reference, and its messages hold neither values nor key material.
 *
 * The answer is keyed by `Ref.text`.
 */
export interface Source {
  resolve(refs: readonly Ref[], deadline: Deadline): Promise<ReadonlyMap<string, Outcome>>
}

/** When to give up, in milliseconds since the epoch, on the world's clock. */
export type Deadline = number
