import { type Finding, sentence } from '../check/finding.ts'
import { oneLine } from './messages.ts'

const INDENT = ' '.repeat(22)

/** A line a finding, and below it what to do and what the server said. */
export function findingText(finding: Finding): string {
  const { severity, area, action, stderr = [] } = finding
  return [
    `${severity.padEnd(9)}${area.padEnd(13)}${oneLine(sentence(finding))}\n`,
    ...stderr.map((line) => `${INDENT}stderr: ${oneLine(line)}\n`),
    ...(action === undefined || severity === 'ok' ? [] : [`${INDENT}hint: ${oneLine(action)}\n`]),
  ].join('')
}

/** How many of each there were, the worst first. */
export function summaryText(findings: readonly Finding[]): string {
  const total = (severity: Finding['severity']): number =>
    findings.filter((finding) => finding.severity === severity).length
  const counts = (
    [
      ['error', total('error')],
      ['warning', total('warning')],
      ['note', total('note')],
    ] as const
  )
    .filter(([, number]) => number > 0)
    .map(([noun, number]) => `${number} ${noun}${number === 1 ? '' : 's'}`)
  return `${[...counts, `${total('ok')} ok`].join(', ')}\n`
}
