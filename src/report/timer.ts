import type { Failing } from '../secrets/cache/repeated-failures.ts'
import { span } from '../span.ts'
import type { Schedule } from '../timer/schedule.ts'
import type { Installed, Removed, RunResult, TimerState } from '../timer/scheduler.ts'
import { oneLine } from './messages.ts'

/** What `timer install` prints: for a crontab the line and nothing else, so that it can be piped. */
export function installedText({ line, files, changed }: Installed, { stepMs, spreadMs }: Schedule): string {
  if (line !== undefined) return `${line}\n`
  const [state, shown] = changed.length === 0 ? ['already installed', files] : ['installed', changed]
  return `${state}: the cache is refreshed every ${span(stepMs)}, up to ${span(spreadMs)} later\n${listed(shown)}`
}

export function removedText({ files }: Removed): string {
  return files.length === 0 ? 'nothing to remove\n' : `removed\n${listed(files)}`
}

const listed = (files: readonly string[]): string => files.map((file) => `  ${oneLine(file)}\n`).join('')

/** What `timer status` tells; `--json` prints it as it is. */
export interface TimerReport extends TimerState {
  readonly failing: readonly Failing[]
}

/** A refresh that found a source out of reach counts only by what it failed to refresh. */
export function isWell({ installed, active, lastResult, failing }: TimerReport): boolean {
  return installed && active && lastResult?.outcome !== 'failure' && failing.length === 0
}

export function statusText(report: TimerReport, now: number): string {
  const { kind, installed, active, nextRun, lastRun, lastResult, failing } = report
  const state = installed ? (active ? 'active' : 'installed, but not active') : 'not installed'
  return [
    `timer (${kind}): ${state}\n`,
    installed ? '' : '  ! mcp-launch timer install\n',
    nextRun === undefined ? '' : `next run: in ${span(nextRun - now)}\n`,
    lastRun === undefined ? '' : `last run: ${span(now - lastRun)} ago\n`,
    lastResult === undefined ? '' : `last result: ${resultText(lastResult)}\n`,
    ...failing.map(({ failures, message }) => `  ! failed ${failures}× in a row: ${oneLine(message)}\n`),
  ].join('')
}

function resultText({ outcome, how }: RunResult): string {
  if (outcome === 'unavailable') return 'a source was out of reach'
  return how === undefined ? outcome : `${outcome}, ${how}`
}
