import type { ErrorCode } from '../../errors.ts'
import { LaunchError } from '../../errors.ts'

/**
 * Why an encrypted file gives nothing, said by code that doesn't know the file's name; {@link asLaunchError} adds it.
 * Its texts may hold what the file shows in clear (keys, recipients), and never a value or key material.
 */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly why: string
  readonly hint: string
  readonly code: ErrorCode

  constructor(why: string, hint: string, code: ErrorCode = 'failure') {
    super(why)
    this.why = why
    this.hint = hint
    this.code = code
  }
}

/**
 * Any failure of decrypting `file`, as the user gets it. What isn't a `Refusal` is a defect or a library's error,
 * whose text may hold key material (`Invalid checksum in AGE-SECRET-KEY-1…`), so that neither it nor a cause is kept.
 */
export function asLaunchError(file: string, error: unknown): LaunchError {
  if (error instanceof LaunchError) return error
  const refusal = error instanceof Refusal ? error : unforeseen(error)
  return new LaunchError(refusal.code, {
    what: "can't decrypt",
    subject: file,
    why: refusal.why,
    hint: refusal.hint,
  })
}

function unforeseen(error: unknown): Refusal {
  if (error instanceof RangeError) return new Refusal('it is nested too deeply', 'restore it from a backup')
  return new Refusal('unexpected failure', 'see whether it opens at all: sops decrypt FILE, or age --decrypt FILE')
}
