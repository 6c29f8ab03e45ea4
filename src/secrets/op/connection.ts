import type { EnvironmentVariable, ResolveAllResponse } from '@1password/sdk'
import type { Deadline, Outcome } from '../source.ts'

/**
 * The narrowest view of 1Password's SDK that this program needs, in the SDK's own types; what tests replace.
 * Nothing here has a time-out of its own, and what a method rejects with may be anything: the SDK throws plain errors
 * and strings of JSON alike.
 */
export interface Connection {
  /** One request for all; each reference at most once. Answers for a reference under its own text. */
  resolveAll(refs: string[]): Promise<ResolveAllResponse>
  /** All variables of a 1Password Environment. */
  environment(id: string): Promise<EnvironmentVariable[]>
}

/** Signs in. An SDK error of a class of its own comes as a {@link TypedFailure}, all else as the SDK threw it. */
export type Connect = (token: string) => Promise<Connection>

/** The service-account token, or why there is none. */
export type TokenSource = (deadline: Deadline) => Promise<Outcome>

/** What the SDK says by an error's class; its words don't have to be read. */
export class TypedFailure extends Error {
  override readonly name = 'TypedFailure'
  readonly kind: 'rate-limited' | 'session-ended'

  constructor(kind: TypedFailure['kind']) {
    super(kind)
    this.kind = kind
  }
}
