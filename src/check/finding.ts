import { type ErrorCode, EXIT, type LaunchError, LaunchErrors } from '../errors.ts'

export type Severity = 'ok' | 'note' | 'warning' | 'error'

export type Area = 'registry' | 'permissions' | 'keys' | 'source' | 'systemd' | 'server'

/** One thing that was looked at. It reads as a sentence: `<what> "<subject>": <why>`. */
export interface Finding {
  readonly severity: Severity
  readonly area: Area
  /** The file, server, reference or client; empty where there is none. */
  readonly subject: string
  readonly what: string
  readonly why: string
  /** What mends it. */
  readonly action?: string
  /** Of an error: what a launch would end with. */
  readonly code?: ErrorCode
  readonly handshake?: Handshake
  /** The last lines of a failed server's stderr, without secrets. */
  readonly stderr?: readonly string[]
}

/** How a server's start went, in figures. */
export interface Handshake {
  readonly protocol?: string
  readonly name?: string
  readonly version?: string
  readonly tools?: number
  /** Milliseconds from the start of its process until its tools were known, or until it failed. */
  readonly readyMs: number
  /** What the client grants for that; null where it isn't known. */
  readonly deadlineMs: number | null
  /** Null for a signal. */
  readonly exitCode: number | null
  readonly signal: string | null
}

export type Report = (finding: Finding) => void

/** An error as findings, one for each failure in it. `subject` is for one that has it in its words. */
export function errorFindings(
  area: Area,
  subject: string,
  error: LaunchError,
  severity: Severity = 'error',
): Finding[] {
  const errors = error instanceof LaunchErrors ? error.errors : [error]
  return errors.map(({ what, why = '', detail, hint, code, ...named }) => ({
    severity,
    area,
    subject: named.subject ?? (what.includes(`"${subject}"`) ? subject : ''),
    what,
    why: [why, detail].filter((part) => part !== undefined && part !== '').join(': '),
    ...(hint === undefined ? {} : { action: hint }),
    ...(severity === 'error' ? { code } : {}),
  }))
}

/** The finding's sentence, for people, and to tell one from another. */
export function sentence({ what, subject, why }: Pick<Finding, 'what' | 'subject' | 'why'>): string {
  const named = subject === '' || what.includes(`"${subject}"`) ? what : `${what} "${subject}"`
  return why === '' ? named : `${named}: ${why}`
}

/**
 * The exit status that tells the worst: 2 for an error in the registry, else 1 for any that lasts, else 75 if all that
 * is wrong is unavailable for now, else 0. Warnings and notes are no reason to fail.
 */
export function exitStatus(findings: readonly Finding[]): number {
  const errors = findings.filter(({ severity }) => severity === 'error')
  if (errors.some(({ area }) => area === 'registry')) return EXIT.usage
  if (errors.some(({ code }) => code !== 'unavailable')) return EXIT.failure
  return errors.length > 0 ? EXIT.unavailable : 0
}

/** Hands each finding on once: one broken key file is found by everything that wants to read it. */
export function once(report: Report): Report {
  const seen = new Set<string>()
  return (finding) => {
    const text = sentence(finding)
    if (seen.has(text)) return
    seen.add(text)
    report(finding)
  }
}

/** `1 file`, `2 files`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
