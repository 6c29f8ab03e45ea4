import { LaunchError, LaunchErrors } from '../errors.ts'
import { holdsKnownToken } from '../known-tokens.ts'
import type { Lines } from './lines.ts'

/** Something wrong in a registry file. It names keys and places; what stands under `env` and `secrets` never. */
export interface Problem {
  /** In UTF-16 units from the text's beginning; undefined for the file as a whole. */
  readonly offset: number | undefined
  readonly why: string
  readonly hint?: string | undefined
}

/** All that a person can have made; a file of something else may have a million. */
const MOST_PROBLEMS = 1_000
const LONGEST_NAME = 60

/** Throws all problems in the order of the file, the first thousand in full; returns if there are none. */
export function throwProblems(path: string, lines: Lines, problems: readonly Problem[]): void {
  const unique = new Map(problems.map((problem) => [`${problem.offset} ${problem.why}`, problem]))
  const sorted = [...unique.values()].sort((a, b) => (a.offset ?? 0) - (b.offset ?? 0))
  const errors = sorted.slice(0, MOST_PROBLEMS).map(({ offset, why, hint }) => {
    const subject = offset === undefined ? path : `${path}:${lines.place(offset)}`
    return invalid(subject, why, hint)
  })
  const more = sorted.length - errors.length
  if (more > 0) {
    errors.push(invalid(path, `and ${more} more ${more === 1 ? 'problem' : 'problems'}`, 'mend the ones above first'))
  }
  const [first, ...rest] = errors
  if (first === undefined) return
  throw rest.length === 0 ? first : new LaunchErrors([first, ...rest])
}

function invalid(subject: string, why: string, hint: string | undefined): LaunchError {
  return new LaunchError('usage', { what: 'invalid registry', subject, why, ...(hint === undefined ? {} : { hint }) })
}

/** A key or name in quotes, fit for one line of a terminal; a token that was pasted in a key's place stays unseen. */
export function quoted(name: string): string {
  if (holdsKnownToken(name)) return '"[redacted]"'
  const cut = name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME)}…` : name
  return `"${cut.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '�')}"`
}
