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
  /** One action that mends it. */
  readonly hint?: string
  readonly cause?: unknown
}

/** A failure that the user can act on. Anything else that is thrown is a defect of the launcher. */
export class LaunchError extends Error {
  override readonly name = 'LaunchError'
  readonly code: ErrorCode
  readonly hint: string | undefined

  constructor(code: ErrorCode, fault: Fault) {
    const subject = fault.subject === undefined ? '' : ` "${fault.subject}"`
    const why = fault.why === undefined ? '' : `: ${fault.why}`
    super(`${fault.what}${subject}${why}`, fault.cause === undefined ? undefined : { cause: fault.cause })
    this.code = code
    this.hint = fault.hint
  }

  get exitCode(): number {
    return EXIT[this.code]
  }
}

/** Nobody reads stdout any more (`| head` has seen enough). No failure, and nothing to tell. */
export class ClosedOutput extends Error {
  override readonly name = 'ClosedOutput'
}

/**
 * Several failures that were found together and are reported together.
 * It is `unavailable` only if a later try could mend every one of them; else it has the first lasting failure's code.
 */
export class LaunchErrors extends LaunchError {
  readonly errors: readonly LaunchError[]

  constructor(errors: readonly [LaunchError, ...LaunchError[]]) {
    const lasting = errors.find((error) => error.code !== 'unavailable')
    super((lasting ?? errors[0]).code, { what: errors.map((error) => error.message).join('; ') })
    this.errors = errors
  }
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
