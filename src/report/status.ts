import { span } from '../span.ts'
import { oneLine, table } from './messages.ts'

/** One secret of one server, as `secrets status --json` prints it. Times are milliseconds since the epoch. */
export interface StatusRow {
  readonly server: string
  readonly name: string
  readonly from: string
  readonly state: 'fresh' | 'renew' | 'stale' | 'missing' | 'not cached' | 'not cached yet'
  readonly fetchedAt?: number
  readonly expiresAt?: number
  /** What the source said last, if it was no value. */
  readonly error?: string
  readonly blockedUntil?: number
  /** The pids of running servers that were started with another value. */
  readonly superseded: readonly number[]
}

/** The same for a person: a line a secret, and below it what is wrong; first of all why the cache can't be read. */
export function statusText(rows: readonly StatusRow[], now: number, problem?: string): string {
  if (rows.length === 0) return 'no server has secrets\n'
  const head = problem === undefined ? '' : `! nothing in the cache can be used: ${oneLine(problem)}\n`
  const lines = table(rows.map((row) => [row.server, row.name, oneLine(row.from), row.state, times(row, now)])).split(
    '\n',
  )
  return `${head}${rows.map((row, index) => `${lines[index]}\n${remarks(row, now)}`).join('')}`
}

function times({ fetchedAt, expiresAt }: StatusRow, now: number): string {
  const parts = [
    fetchedAt === undefined ? '' : `${span(now - fetchedAt)} old`,
    expiresAt === undefined || expiresAt <= now ? '' : `expires in ${span(expiresAt - now)}`,
  ]
  return parts.filter((part) => part !== '').join(', ')
}

function remarks({ error, blockedUntil, superseded }: StatusRow, now: number): string {
  const again = blockedUntil === undefined ? '' : `; not asked again for ${span(blockedUntil - now)}`
  return [
    error === undefined ? '' : `    ! ${oneLine(error)}${again}\n`,
    superseded.length === 0 ? '' : `    ! restart to use the new value: pid ${superseded.join(', ')}\n`,
  ].join('')
}
