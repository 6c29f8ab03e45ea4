import { type ErrorCode, EXIT } from '../errors.ts'
import type { ServerEntry } from '../registry/entry.ts'
import { seconds } from '../span.ts'
import { count, type Finding, type Handshake } from './finding.ts'
import type { Conversation } from './mcp-client.ts'

/** A conversation whose stderr is clean, and the programs that outlived the server. */
export type Heard = Conversation & { readonly left: readonly string[] }

export interface Limits {
  readonly deadlineMs: number | undefined
  readonly limitMs: number
  /** What the server says goes through this before it is shown. */
  readonly clean: (text: string) => string
}

/** A machine is slower on another day. */
const NEAR_THE_DEADLINE = 0.75
const SHOWN_LINES = 5
const SHOWN_CHARACTERS = 200
const NAME_CHARACTERS = 60

/**
 * What a server's start has shown.
 *
 * @param unknown the secrets whose values nobody knows: what the server said is then not shown.
 */
export function verdict({ name }: ServerEntry, heard: Heard, limits: Limits, unknown: readonly string[]): Finding[] {
  const words = launcherWords(heard.stderr)
  const handshake = figures(heard, limits)
  const base = { area: 'server', subject: name, what: 'server' } as const
  const { severity, ...main } =
    heard.failure === undefined ? success(heard, handshake, limits) : failure(name, heard, limits, words)
  const said = heard.failure === undefined || words.errors.length > 0 ? {} : lastLines(heard.stderr, unknown)
  return [
    { severity, ...base, ...main, handshake, ...said },
    ...words.notes.map((note): Finding => ({ severity: 'note', ...base, why: note })),
    ...remarks(heard, limits).map(
      ({ severity: weight, ...remark }): Finding => ({ severity: weight, ...base, ...remark }),
    ),
  ]
}

type Judgement = Pick<Finding, 'severity' | 'why' | 'action' | 'code' | 'what'>
type Remark = Omit<Judgement, 'what'>

function success(heard: Heard, { protocol, name, version, tools, readyMs }: Handshake, limits: Limits): Judgement {
  const { deadlineMs } = limits
  const share = deadlineMs === undefined ? '' : ` of ${seconds(deadlineMs)}, ${percent(readyMs, deadlineMs)}`
  const who = `${name} ${version}, protocol ${protocol}, ${tools === undefined ? 'no tools' : count(tools, 'tool')}`
  const why = `ready in ${readyMs} ms${share} (${who})`
  if (deadlineMs === undefined || heard.readyMs <= deadlineMs * NEAR_THE_DEADLINE)
    return { severity: 'ok', what: 'server', why }
  const action = "raise the client's limit, or make the start quicker: a cold download counts too"
  return { severity: 'warning', what: 'server', why: `${why}: on a slow day that is too late`, action }
}

function percent(part: number, whole: number): string {
  return `${Math.round((100 * part) / whole)} %`
}

function failure(name: string, heard: Heard, limits: Limits, words: LauncherWords): Judgement {
  const [first] = words.errors
  if (first !== undefined) {
    return {
      severity: 'error',
      ...launcherSentence(name, words),
      ...(first.hint === undefined ? {} : { action: first.hint }),
      code: codeOf(heard.end.code),
    }
  }
  const error = (why: string, action: string): Judgement => ({
    severity: 'error',
    what: 'server',
    why,
    action,
    code: 'failure',
  })
  const request = heard.initialized === undefined ? '"initialize"' : '"tools/list"'
  const byHand = `start it by hand and see what it says: mcp-launch run ${name}`
  switch (heard.failure?.kind) {
    case 'ended':
      return error(`it ended before it answered ${request} (${endWords(heard)})`, byHand)
    case 'late':
      return heard.stray.lines > 0
        ? error(`no answer within ${seconds(limits.limitMs)}; ${strayWords(heard, limits)}`, LOG_TO_STDERR)
        : error(`not ready within ${seconds(limits.limitMs)}: no answer to ${request}`, byHand)
    case 'not started':
      return error('mcp-launch itself could not be started', 'install it anew')
    default:
      return error(`it refused ${request}: ${cut(limits.clean(heard.failure?.message ?? ''))}`, byHand)
  }
}

/** Its own words if they name the server, else as the reason. */
function launcherSentence(name: string, { errors: [first, ...more] }: LauncherWords): Pick<Finding, 'what' | 'why'> {
  const message = first?.message ?? ''
  const colon = message.indexOf(': ')
  if (more.length === 0 && colon !== -1 && message.slice(0, colon).includes(`"${name}"`)) {
    return { what: message.slice(0, colon), why: message.slice(colon + 2) }
  }
  return { what: "can't launch server", why: [message, ...more.map((error) => error.message)].join('; ') }
}

const LOG_TO_STDERR = 'have it write its log to stderr: stdout is for MCP alone'

/** What is odd about a server whether or not its start went well. */
function remarks(heard: Heard, limits: Limits): Remark[] {
  const isWell = heard.failure === undefined
  return [
    ...(isWell && heard.stray.lines > 0
      ? [{ severity: 'warning', why: strayWords(heard, limits), action: LOG_TO_STDERR } satisfies Remark]
      : []),
    ...(isWell && (heard.endedBy === 'SIGTERM' || heard.endedBy === 'SIGKILL')
      ? [{ severity: 'note', why: `the end of its input doesn't end it: it took ${heard.endedBy}` } satisfies Remark]
      : []),
    ...(heard.left.length > 0
      ? [
          {
            severity: 'note',
            why: `it left processes behind, which were ended: ${heard.left.join(', ')}`,
          } satisfies Remark,
        ]
      : []),
  ]
}

function strayWords({ stray }: Heard, { clean }: Limits): string {
  return `it wrote ${count(stray.lines, 'line')} to stdout that ${stray.lines === 1 ? 'is' : 'are'} no MCP: ${cut(clean(stray.first))}`
}

function figures(heard: Heard, { deadlineMs, clean }: Limits): Handshake {
  const { initialized, tools, readyMs, end } = heard
  const short = (text: string): string => cut(clean(text), NAME_CHARACTERS)
  return {
    ...(initialized === undefined
      ? {}
      : {
          protocol: short(initialized.protocol),
          name: short(initialized.name),
          version: short(initialized.version),
        }),
    ...(tools === undefined ? {} : { tools }),
    readyMs,
    deadlineMs: deadlineMs ?? null,
    exitCode: end.code,
    signal: end.signal,
  }
}

function endWords({ end }: Heard): string {
  return end.signal === null ? `exit status ${end.code}` : end.signal
}

interface LauncherWords {
  readonly errors: { message: string; hint?: string }[]
  readonly notes: readonly string[]
}

/** What the launcher said before it became the server (report/messages.ts). */
function launcherWords(stderr: string): LauncherWords {
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

function codeOf(exitCode: number | null): ErrorCode {
  const codes = Object.entries(EXIT) as [ErrorCode, number][]
  return codes.find(([, status]) => status === exitCode)?.[0] ?? 'failure'
}

function lastLines(stderr: string, unknown: readonly string[]): Pick<Finding, 'stderr'> {
  const lines = stderr.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('mcp-launch: '))
  if (lines.length === 0) return {}
  if (unknown.length > 0) {
    return {
      stderr: [`(not shown: it may hold the value of ${unknown.join(', ')}, which is made anew at every start)`],
    }
  }
  return { stderr: lines.slice(-SHOWN_LINES).map((line) => cut(line)) }
}

function cut(text: string, length = SHOWN_CHARACTERS): string {
  const line = text.replace(/\s+/g, ' ').trim()
  return line.length <= length ? line : `${line.slice(0, length)}…`
}
