import { describe, expect, test } from 'vitest'
import { gcText, type PsRow, psData, psText, size } from '../../src/report/ps.ts'

const NOW = 1_800_000_000_000

const row: PsRow = {
  server: 'github',
  pid: 4_194_303,
  start: 1,
  unit: 'mcp-github-4194303.scope',
  slice: 'mcp-servers.slice',
  client: { pid: 4_194_302, program: 'node-MainThread', isAlive: true },
  isBound: true,
  state: 'serving',
  why: undefined,
  work: '1 2 3',
  idleMs: 3,
  since: NOW - 59 * 60_000,
  memory: { used: 999 * 1024 ** 2, max: 1.5 * 1024 ** 3, from: 'cgroup' },
  tasks: { used: 11, max: 4915, from: 'cgroup' },
  stopTimeoutMs: 5_000,
  superseded: [],
}

test('a table of at most 100 columns, whatever the names', () => {
  const rows = [
    row,
    { ...row, server: 'x'.repeat(80), state: 'idle' as const, idleMs: 600_000 },
    { ...row, server: 'bare', client: undefined, tasks: { used: 1, max: undefined, from: 'processes' as const } },
  ]
  const lines = psText(rows, NOW).split('\n')
  expect(lines[0]).toMatch(/^SERVER +STATE +PID +CLIENT +AGE +MEMORY +TASKS$/)
  expect(lines.slice(1, 3).map((line) => line.split(/ {2,}/))).toEqual([
    ['github', 'serving', '4194303', 'node-MainThread 4194302', '59 min', '999M/1.5G', '11/4915'],
    [`${'x'.repeat(24)}…`, 'idle 10 min', '4194303', 'node-MainThread 4194302', '59 min', '999M/1.5G', '11/4915'],
  ])
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(100)
})

test('what is wrong stands below', () => {
  const orphan = { ...row, state: 'orphaned' as const, why: 'its client (codex, pid 3) has ended' }
  expect(psText([{ ...row, start: undefined }], NOW)).toContain('\n    ! its first process has ended; ')
  expect(psText([orphan, { ...row, superseded: ['A', 'B'] }], NOW).split('\n')).toMatchObject([
    expect.stringMatching(/^SERVER/),
    expect.stringMatching(/^github/),
    '    ! its client (codex, pid 3) has ended: mcp-launch gc',
    expect.stringMatching(/^github/),
    '    ! restart to use the new value: A, B',
    '',
  ])
})

test('a server that nothing stops with its client says so', () => {
  const remark = '    ! it is bound to no client: nothing stops it when its client is killed\n'
  expect(psText([{ ...row, isBound: false }], NOW)).toContain(remark)
  expect(psText([row, { ...row, isBound: false, unit: undefined }], NOW)).not.toContain(remark)
})

test('for programs: these fields, and no other', () => {
  expect(psData([{ ...row, work: '1 2 3' }], NOW)).toEqual([
    {
      server: 'github',
      pid: 4_194_303,
      leaderAlive: true,
      unit: 'mcp-github-4194303.scope',
      slice: 'mcp-servers.slice',
      client: { pid: 4_194_302, program: 'node-MainThread', alive: true },
      bound: true,
      state: 'serving',
      idleMs: 3,
      since: row.since,
      ageMs: 59 * 60_000,
      memory: row.memory,
      tasks: row.tasks,
      superseded: [],
    },
  ])
})

test('no server', () => {
  expect(psText([], NOW)).toBe('no server is running\n')
})

test.each([
  [0, '0K'],
  [1024, '1K'],
  [1_500_000, '1.4M'],
  [87 * 1024 ** 2, '87M'],
  [1000 * 1024 ** 2, '1G'],
  [1.5 * 1024 ** 3, '1.5G'],
  [5000 * 1024 ** 4, '5000T'],
])('%d bytes are %s', (bytes, expected) => {
  expect(size(bytes)).toBe(expected)
})

describe('gc', () => {
  test('says what and why', () => {
    const cleaning = { verb: 'stop', subject: 'mcp-it-1.scope', why: 'its client (pid 3) has ended' } as const
    expect(gcText([{ ...cleaning, done: undefined }])).toBe('would stop mcp-it-1.scope: its client (pid 3) has ended\n')
    expect(gcText([{ ...cleaning, done: true }])).toBe('stopped mcp-it-1.scope: its client (pid 3) has ended\n')
    expect(gcText([{ ...cleaning, verb: 'remove', done: false, failure: 'permission denied' }])).toBe(
      'could not remove mcp-it-1.scope: permission denied (its client (pid 3) has ended)\n',
    )
    expect(gcText([])).toBe('nothing to clean up\n')
  })
})
