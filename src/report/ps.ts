import type { Cleaning } from '../lifecycle/gc.ts'
import type { RunningServer, Usage } from '../lifecycle/servers.ts'
import type { StopResult } from '../lifecycle/stop.ts'
import { span } from '../span.ts'
import { oneLine, table } from './messages.ts'

/** A running server as `ps` shows it. */
export interface PsRow extends RunningServer {
  /** The secrets that have changed since it was started. */
  readonly superseded: readonly string[]
}

const COLUMNS = ['SERVER', 'STATE', 'PID', 'CLIENT', 'AGE', 'MEMORY', 'TASKS'] as const
const WIDEST = 100
const GAP = 2
const NARROWEST_NAME = 8

/** The running servers for a person: a line each, at most 100 columns wide, and below it what is wrong. */
export function psText(rows: readonly PsRow[], now: number): string {
  if (rows.length === 0) return 'no server is running\n'
  const cells = rows.map((row) => [oneLine(row.server), ...factsOf(row, now)])
  const widths = COLUMNS.map((title, column) => Math.max(title.length, ...cells.map((row) => row[column]?.length ?? 0)))
  const rest = widths.slice(1).reduce((sum, width) => sum + width + GAP, 0)
  const room = Math.max(NARROWEST_NAME, WIDEST - rest)
  const lines = table([COLUMNS, ...cells.map(([name = '', ...facts]) => [shortened(name, room), ...facts])]).split('\n')
  return [`${lines[0]}\n`, ...rows.map((row, index) => `${lines[index + 1]}\n${remarks(row)}`)].join('')
}

function factsOf(row: PsRow, now: number): string[] {
  const { client, idleMs, memory, pid, since, state, tasks } = row
  return [
    state === 'idle' ? `idle ${span(idleMs ?? 0)}` : state,
    String(pid),
    client === undefined ? '-' : `${oneLine(client.program ?? '')} ${client.pid}`.trim(),
    span(now - since),
    usageText(memory, size),
    usageText(tasks, String),
  ]
}

function usageText({ used, max }: Usage, format: (amount: number) => string): string {
  return max === undefined ? format(used) : `${format(used)}/${format(max)}`
}

const SIZES = ['K', 'M', 'G', 'T'] as const

/** Bytes in their largest binary unit, with a decimal below ten: `87M`, `1.5G`. */
export function size(bytes: number): string {
  let [amount, unit] = [bytes / 1024, 0]
  while (amount >= 1000 && unit < SIZES.length - 1) [amount, unit] = [amount / 1024, unit + 1]
  const rounded = amount < 9.95 ? Math.round(amount * 10) / 10 : Math.round(amount)
  return `${rounded}${SIZES[unit]}`
}

function shortened(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`
}

function remarks({ superseded, why }: PsRow): string {
  return [
    why === undefined ? '' : `    ! ${oneLine(why)}: mcp-launch gc\n`,
    superseded.length === 0 ? '' : `    ! restart to use the new value: ${superseded.join(', ')}\n`,
  ].join('')
}

/** The same for programs. Times are milliseconds since the epoch, or of time passed; sizes are bytes. */
export function psData(rows: readonly PsRow[], now: number): object[] {
  return rows.map(({ start, stopTimeoutMs, since, held, client, ...row }) => ({
    ...row,
    ...(client === undefined ? {} : { client: { pid: client.pid, program: client.program, alive: client.isAlive } }),
    leaderAlive: start !== undefined,
    since,
    ageMs: Math.max(0, now - since),
  }))
}

/** What `stop` did. */
export function stopText(results: readonly StopResult[]): string {
  return results
    .map(({ server, isGone, why }) => {
      const name = server.unit ?? `${server.server} (pid ${server.pid})`
      return isGone ? `stopped ${name}\n` : `could not stop ${name}: ${oneLine(why ?? '')}\n`
    })
    .join('')
}

/** What `gc` did, or would do, and why. */
export function gcText(cleanings: readonly Cleaning[]): string {
  if (cleanings.length === 0) return 'nothing to clean up\n'
  return cleanings
    .map((cleaning) => `${action(cleaning)} ${oneLine(cleaning.subject)}: ${because(cleaning)}\n`)
    .join('')
}

const PAST = { stop: 'stopped', remove: 'removed' } as const

function action({ verb, done }: Cleaning): string {
  if (done === undefined) return `would ${verb}`
  return done ? PAST[verb] : `could not ${verb}`
}

function because({ why, failure }: Cleaning): string {
  return oneLine(failure === undefined ? why : `${failure} (${why})`)
}
