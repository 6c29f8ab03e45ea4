/** The exit statuses that users and other tools rely on; everything else is the server's own. */
export const EXIT = {
  failure: 1,
  /** Usage or registry error. */
  usage: 2,
  /** `EX_TEMPFAIL` of sysexits.h: a source is unavailable for now, a later try may succeed. */
  unavailable: 75,
  /** The server was found and can't be executed (POSIX shells use the same number). */
  notExecutable: 126,
  /** The server isn't found (POSIX shells use the same number). */
  notFound: 127,
} as const

/** What kind of thing went wrong; decides the exit status. */
export type ErrorCode = keyof typeof EXIT

export interface Fault {
  /** What failed, as the start of a lower-case sentence: `can't read registry`. */
  readonly what: string
  /** The file, server, reference or name it failed for. */
  readonly subject?: string
  /** The cause, lower case, without a full stop. Never holds a secret value or a library's raw message. */
  readonly why?: string
  /** What a program of the user's said of the cause: for people to see, and never written down readably. */
  readonly detail?: string
  /** One action that mends it. */
  readonly hint?: string
  readonly cause?: unknown
}

/** A failure that the user can act on. Anything else that is thrown is a defect of the launcher. */
export class LaunchError extends Error {
  override readonly name = 'LaunchError'
  readonly code: ErrorCode
  readonly what: string
  readonly subject: string | undefined
  readonly why: string | undefined
  readonly detail: string | undefined
  readonly hint: string | undefined

  constructor(code: ErrorCode, fault: Fault) {
    const subject = fault.subject === undefined ? '' : ` "${fault.subject}"`
    const why = fault.why === undefined ? '' : `: ${fault.why}`
    super(`${fault.what}${subject}${why}`, fault.cause === undefined ? undefined : { cause: fault.cause })
    this.code = code
    this.what = fault.what
    this.subject = fault.subject
    this.why = fault.why
    this.detail = fault.detail
    this.hint = fault.hint
  }

  get exitCode(): number {
    return EXIT[this.code]
  }

  /** For stderr, the terminal and the MCP client; a log and a file get `message`, which has names alone. */
  get shown(): string {
    return this.detail === undefined ? this.message : `${this.message}: ${this.detail}`
  }
}

/** Nobody reads stdout any more (`| head` has seen enough). No failure, and nothing to tell. */
export class ClosedOutput extends Error {
  override readonly name = 'ClosedOutput'
}

/** Several failures that were found together and are reported together, with the code of {@link joinedCode}. */
export class LaunchErrors extends LaunchError {
  readonly errors: readonly LaunchError[]

  constructor(errors: readonly [LaunchError, ...LaunchError[]]) {
    super(joinedCode(errors) ?? 'failure', { what: errors.map((error) => error.message).join('; ') })
    this.errors = errors
  }
}

/**
 * Of several failures: `unavailable` only if a later try could mend every one of them, else the first lasting
 * failure's. Undefined for none.
 */
export function joinedCode(errors: readonly LaunchError[]): ErrorCode | undefined {
  return (errors.find(({ code }) => code !== 'unavailable') ?? errors[0])?.code
}

/** The exit status that {@link throwAll} ends with; 0 for no errors. */
export function exitCodeOf(errors: readonly LaunchError[]): number {
  const code = joinedCode(errors)
  return code === undefined ? 0 : EXIT[code]
}

/** Throws nothing for an empty list, the one error for a list of one, a {@link LaunchErrors} for more. */
export function throwAll(errors: readonly LaunchError[]): void {
  const [first, ...rest] = errors
  if (first === undefined) return
  throw rest.length === 0 ? first : new LaunchErrors([first, ...rest])
}

/** The errno name of a failed system call (`ENOENT`), or undefined for anything else. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  const { code } = error as NodeJS.ErrnoException
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code) ? code : undefined
}

const ERRNO_WORDS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EEXIST: 'already exists',
  EFTYPE: 'is not a regular file',
  EISDIR: 'is a directory',
  ELOOP: 'too many symbolic links',
  ENAMETOOLONG: 'name too long',
  ENOENT: 'no such file',
  ENOSPC: 'no space left on the device',
  ENOTDIR: 'not a directory',
  EPERM: 'operation not permitted',
  EROFS: 'read-only file system',
}

/** A failed system call in words, without the path (which is the subject of the message). */
export function errnoWords(error: unknown): string {
  const errno = errnoOf(error)
  if (errno !== undefined) return ERRNO_WORDS[errno] ?? errno
  return 'unexpected failure'
}
