import type { Limits, ServerEntry } from '../registry/entry.ts'
import { seconds } from '../span.ts'
import { type Cause, type Ended, limitCause } from './cause.ts'
import { count, type Finding, type Handshake } from './finding.ts'
import { codeOf, type LauncherWords, launcherSentence, launcherWords } from './launcher-words.ts'
import type { Conversation } from './mcp-client.ts'

/** A conversation whose stderr is clean, and the programs that outlived the server. */
export type Heard = Conversation & Ended & { readonly left: readonly string[] }

export interface Terms {
  /** What the client grants, and the variable in which its user has shortened that. */
  readonly deadlineMs: number | undefined
  readonly shortenedBy: string | undefined
  readonly limitMs: number
  /** Those of the server's that hold. */
  readonly held: Limits
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
export function verdict({ name }: ServerEntry, heard: Heard, limits: Terms, unknown: readonly string[]): Finding[] {
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

function success(heard: Heard, { protocol, name, version, tools, readyMs }: Handshake, limits: Terms): Judgement {
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

/** What the launcher said comes first, then a limit that the server has run into, and then what it looks like. */
function failure(name: string, heard: Heard, limits: Terms, words: LauncherWords): Judgement {
  const [first] = words.errors
  if (first !== undefined) {
    return {
      severity: 'error',
      ...launcherSentence(name, words),
      ...(first.hint === undefined ? {} : { action: first.hint }),
      code: codeOf(heard.end.code),
    }
  }
  const seen = failureSeen(name, heard, limits)
  const cause = limitCause(limits.held, heard)
  const { why, action } = cause === undefined ? seen : { ...cause, why: `${seen.why}: ${cause.why}` }
  return { severity: 'error', what: 'server', why, action, code: 'failure' }
}

function failureSeen(name: string, heard: Heard, limits: Terms): Cause {
  const error = (why: string, action: string): Cause => ({ why, action })
  const request = heard.initialized === undefined ? '"initialize"' : '"tools/list"'
  const byHand = `start it by hand and see what it says: mcp-launch run ${name}`
  switch (heard.failure?.kind) {
    case 'ended':
      return error(`it ended before it answered ${request} (${endWords(heard)})`, byHand)
    case 'late':
      return heard.stray.lines > 0
        ? error(`no answer within ${seconds(limits.limitMs)}; ${strayWords(heard, limits)}`, LOG_TO_STDERR)
        : error(
            `not ready within ${seconds(limits.limitMs)}: no answer to ${request}`,
            limits.shortenedBy === undefined ? byHand : `raise ${limits.shortenedBy}, which sets the client's limit`,
          )
    case 'silent':
      return error(
        `it closed its stdout before it answered ${request}, and goes on`,
        'have it keep stdout open, and not run in the background: its client reads there',
      )
    case 'protocol': {
      const [version = '', known] = heard.failure.message.split(/: (?=[^:]*$)/)
      const why = `it speaks version ${cut(limits.clean(version), NAME_CHARACTERS)} of the protocol, and the MCP SDK ${known}`
      return error(why, 'install a version of the server that speaks one of those')
    }
    case 'flooded':
      return error(`it floods stdout with what is no MCP${firstStray(heard, limits)}`, LOG_TO_STDERR)
    case 'not started':
      return error('mcp-launch itself could not be started', 'install it anew')
    default:
      return error(`it refused ${request}: ${cut(limits.clean(heard.failure?.message ?? ''))}`, byHand)
  }
}

const LOG_TO_STDERR = 'have it write its log to stderr: stdout is for MCP alone'

/** What is odd about a server whether or not its start went well. */
function remarks(heard: Heard, limits: Terms): Remark[] {
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

function strayWords(heard: Heard, limits: Terms): string {
  const { lines } = heard.stray
  return `it wrote ${count(lines, 'line')} to stdout that ${lines === 1 ? 'is' : 'are'} no MCP${firstStray(heard, limits)}`
}

function firstStray({ stray }: Heard, { clean }: Terms): string {
  const text = cut(clean(stray.first))
  return text === '' ? '' : `: ${text}`
}

function figures(heard: Heard, { deadlineMs, clean }: Terms): Handshake {
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
  const line = text.replace(/[\s\p{Cc}]+/gu, ' ').trim()
  return line.length <= length ? line : `${line.slice(0, length)}…`
}
