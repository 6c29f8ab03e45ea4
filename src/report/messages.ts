import { LaunchError, LaunchErrors } from '../errors.ts'

/*
 * The form of every message: `mcp-launch: error: <what> "<subject>": <cause>`, then `mcp-launch: hint: <one action>`.
 * Lower case, no full stop, one line each, so that a client's log stays readable and a line can be searched for.
 */
const PREFIX = 'mcp-launch: '

/** An error as stderr shows it: a line for what went wrong and one for what to do, for each failure in it. */
export function errorText(error: LaunchError): string {
  if (error instanceof LaunchErrors) return error.errors.map(errorText).join('')
  const hint = error.hint === undefined ? '' : `${PREFIX}hint: ${oneLine(error.hint)}\n`
  return `${PREFIX}error: ${oneLine(error.shown)}\n${hint}`
}

/** A remark that doesn't stop anything. */
export function noteText(note: string): string {
  return `${PREFIX}note: ${oneLine(note)}\n`
}

/** The same error as one string, for a client that shows it in a box of its own. */
export function errorSentence(error: LaunchError): string {
  const errors = error instanceof LaunchErrors ? error.errors : [error]
  return errors
    .map(({ shown, hint }) => `${oneLine(shown)}${hint === undefined ? '' : ` (hint: ${oneLine(hint)})`}`)
    .join('; ')
}

/** What is said of a defect: its kind and place, never its text, which may hold anything. */
export function defect(error: unknown): LaunchError {
  const name = error instanceof Error ? error.name : typeof error
  return new LaunchError('failure', {
    what: 'internal defect',
    subject: name,
    why: error instanceof Error ? placeOf(error) : 'no trace',
    hint: 'report it, with this line and the command you ran',
  })
}

function placeOf(error: Error): string {
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line))
  return frames
    .slice(0, 4)
    .map((line) => line.trim().replace(/\(.*[/\\]/, '('))
    .join(' < ')
}

/** Control characters could forge lines in a log or reach the terminal. */
export function oneLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ')
}

/** Columns, padded to the widest cell of each; the last one isn't padded. A cell stays one line and does nothing. */
export function table(cells: readonly (readonly string[])[], indent = ''): string {
  const rows = cells.map((row) => row.map(oneLine))
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const line = (row: readonly string[]) =>
    row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))).join('  ')
  return rows.map((row) => `${indent}${line(row)}`.trimEnd()).join('\n')
}
