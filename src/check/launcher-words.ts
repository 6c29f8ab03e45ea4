import { type ErrorCode, EXIT } from '../errors.ts'
import type { Finding } from './finding.ts'

export interface LauncherWords {
  readonly errors: { message: string; hint?: string }[]
  readonly notes: readonly string[]
}

/** What the launcher said before it became the server (report/messages.ts). */
export function launcherWords(stderr: string): LauncherWords {
  const errors: { message: string; hint?: string }[] = []
  const notes: string[] = []
  for (const line of stderr.split('\n')) {
    const [, kind, text = ''] = /^mcp-launch: (error|hint|note): (.*)$/.exec(line) ?? []
    if (kind === 'error') errors.push({ message: text })
    if (kind === 'note') notes.push(text)
    const last = errors.at(-1)
    if (kind === 'hint' && last !== undefined) last.hint ??= text
  }
  return { errors, notes }
}

/** What a launch that ended with this has ended with. */
export function codeOf(exitCode: number | null): ErrorCode {
  const codes = Object.entries(EXIT) as [ErrorCode, number][]
  return codes.find(([, status]) => status === exitCode)?.[0] ?? 'failure'
}

/** Its own words if they name the server, else as the reason. */
export function launcherSentence(
  name: string,
  { errors: [first, ...more] }: LauncherWords,
): Pick<Finding, 'what' | 'why'> {
  const message = first?.message ?? ''
  const colon = message.indexOf(': ')
  if (more.length === 0 && colon !== -1 && message.slice(0, colon).includes(`"${name}"`)) {
    return { what: message.slice(0, colon), why: message.slice(colon + 2) }
  }
  return { what: "can't launch server", why: [message, ...more.map((error) => error.message)].join('; ') }
}
