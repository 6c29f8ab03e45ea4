// A race: contestants that run in turns, A B C A B C …, so that whatever else the machine does hits all of them alike.
// What counts is the ratio of two neighbours in the same round; milliseconds stand beside it to give it a scale.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const BUN = fileURLToPath(new URL('../node_modules/.bin/bun', import.meta.url))
const STOPWATCH = fileURLToPath(new URL('stopwatch.mjs', import.meta.url))
const LIMIT_MS = 60_000

/**
 * @typedef {object} Contestant
 * @property {string} name
 * @property {string[]} argv
 * @property {string} [against] the name of the contestant that its ratio is taken to
 * @property {string} [target] what the ratio should be, as it is printed
 * @property {number} [copies] how many are started at the same moment
 * @property {'exit' | 'answer'} [until] to its end, or to the answer of an MCP server to `initialize`
 * @property {Record<string, string>} [env]
 * @property {string} [cwd]
 */

/**
 * Runs all contestants, and returns each with its times in milliseconds, one a round.
 * @param {{ contestants: Contestant[], rounds: number, warmUp?: number, env: Record<string, string>, cwd: string }} race
 */
export function run({ contestants, rounds, warmUp = 3, env, cwd }) {
  const entered = contestants.map((contestant) => ({ copies: 1, until: 'exit', env, cwd, ...contestant }))
  const { status, stdout, stderr, error } = spawnSync(BUN, [STOPWATCH], {
    input: JSON.stringify({ contestants: entered, rounds, warmUp }),
    encoding: 'utf8',
    timeout: LIMIT_MS,
  })
  if (error !== undefined || status !== 0) throw error ?? new Error(stderr.trim())
  const times = JSON.parse(stdout)
  return contestants.map((contestant, index) => ({ ...contestant, times: times[index] }))
}

/** Runs a race and prints it as a table. */
export function race({ title, how = [], ...rest }) {
  section(`${title} (${rest.rounds} rounds)`, how)
  const results = run(rest)
  const rows = results.map((result) => {
    const rival = results.find(({ name }) => name === result.against)
    return [result.name, milliseconds(median(result.times)), ...compared(result, rival)]
  })
  table([['', 'median ms', 'ratio', 'min–max', 'target', 'to'], ...rows])
}

function compared({ times, target = '' }, rival) {
  if (rival === undefined) return ['', '', '', '']
  const ratios = times.map((time, round) => time / rival.times[round])
  return [`${figure(median(ratios))}×`, spread(ratios), target, rival.name]
}

export function spread(values) {
  return `${figure(Math.min(...values))}–${figure(Math.max(...values))}`
}

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

export function milliseconds(value) {
  return value.toFixed(value < 100 ? 2 : 0)
}

export function figure(value) {
  return value.toFixed(value < 10 ? 2 : 1)
}

export function section(title, lines = []) {
  console.log(`\n${title}`)
  for (const line of lines) console.log(`  ${line}`)
  console.log('')
}

/** The first column to the left, numbers to the right, what follows the ratio to the left again. */
export function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)))
  for (const row of rows) {
    const cells = row.map((cell, column) =>
      column >= 1 && column <= 3 ? cell.padStart(widths[column]) : cell.padEnd(widths[column]),
    )
    console.log(`  ${cells.join('  ').trimEnd()}`)
  }
}
