/**
 * Where a secret's value comes from. `text` is the reference in its one canonical spelling: it keys caches and answers,
 * and names the secret in messages. Files are as the user wrote them; `resolvePath` makes them absolute.
 */
export type Ref = OpRef | OpEnvRef | SopsRef | AgeRef | FileRef | EnvRef | CommandRef

/** How messages call it: a command by its program alone, as its arguments are the user's, and long. */
export function refName(ref: Ref): string {
  return ref.kind === 'command' ? `command ${ref.argv[0]}` : ref.text
}

/** The variable with 1Password's token, in a registry that names no token. */
export const DEFAULT_TOKEN = 'OP_SERVICE_ACCOUNT_TOKEN'

/** What a 1Password account is asked for, with its token. */
export function isOnePassword({ kind }: Pick<Ref, 'kind'>): boolean {
  return kind === 'op' || kind === 'op-env'
}

/** https://developer.1password.com/docs/cli/secret-reference-syntax */
export interface OpRef {
  readonly kind: 'op'
  readonly vault: string
  readonly item: string
  readonly section?: string
  readonly field: string
  /** A one-time password, made anew for each question. */
  readonly attribute?: 'totp' | 'otp'
  /** A private key in OpenSSH's own format. */
  readonly sshFormat?: 'openssh'
  readonly text: string
}

/** All variables of a 1Password Environment. Its value is one: JSON, names and values. */
export interface OpEnvRef {
  readonly kind: 'op-env'
  readonly id: string
  readonly text: string
}

export interface SopsRef {
  readonly kind: 'sops'
  readonly file: string
  /** The steps of an RFC 6901 pointer, unescaped; undefined is the whole of a SOPS binary file. */
  readonly pointer: readonly string[] | undefined
  readonly text: string
}

export interface AgeRef {
  readonly kind: 'age'
  readonly file: string
  readonly text: string
}

export interface FileRef {
  readonly kind: 'file'
  readonly file: string
  readonly text: string
}

export interface EnvRef {
  readonly kind: 'env'
  readonly name: string
  readonly text: string
}

export interface CommandRef {
  readonly kind: 'command'
  readonly argv: readonly [string, ...string[]]
  readonly text: string
}
