import { expect, test } from 'vitest'
import { errorFindings, exitStatus, type Finding, once, sentence } from '../../src/check/finding.ts'
import { type ErrorCode, LaunchError, LaunchErrors } from '../../src/errors.ts'

const FAULTS = [
  { what: 'no registry', why: 'looked for servers.yaml' },
  { what: "can't resolve", subject: 'env:A', why: 'A is not set', hint: 'set it' },
  { what: 'server', subject: 'it', why: 'args[0] uses A, which this server has under "secrets": no', hint: 'no' },
  { what: `can't start server "it", command not found`, subject: 'npx', why: 'looked in /bin' },
  { what: 'no argument', subject: 'x' },
  { what: 'nothing more to say' },
]

test.each(FAULTS)('$what: an error read as a finding says the same', (fault) => {
  const error = new LaunchError('usage', fault)
  const [finding] = errorFindings('server', 'it', error) as [Finding]
  expect(sentence(finding)).toBe(error.message)
  expect(finding).toMatchObject({ severity: 'error', area: 'server', code: 'usage' })
  expect(finding.action).toBe(fault.hint)
})

test('several errors are several findings, and each is told once', () => {
  const [one, two] = [new LaunchError('usage', { what: 'one' }), new LaunchError('usage', { what: 'two' })]
  const seen: string[] = []
  const report = once((finding) => seen.push(sentence(finding)))
  for (const error of [new LaunchErrors([one, two]), two]) for (const it of errorFindings('keys', '', error)) report(it)
  expect(seen).toEqual(['one', 'two'])
})

const found = (severity: Finding['severity'], area: Finding['area'], code?: ErrorCode): Finding => ({
  severity,
  area,
  subject: '',
  what: '',
  why: '',
  ...(code === undefined ? {} : { code }),
})

test.each<[number, Finding[]]>([
  [0, []],
  [0, [found('ok', 'registry'), found('note', 'server'), found('warning', 'systemd')]],
  [1, [found('error', 'server', 'notFound')]],
  [75, [found('error', 'source', 'unavailable'), found('error', 'server', 'unavailable'), found('warning', 'keys')]],
  [1, [found('error', 'source', 'unavailable'), found('error', 'keys', 'failure')]],
  [
    2,
    [found('error', 'source', 'unavailable'), found('error', 'registry', 'usage'), found('error', 'keys', 'failure')],
  ],
])('exit status %i', (status, findings) => {
  expect(exitStatus(findings)).toBe(status)
})
