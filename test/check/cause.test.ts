import { expect, test } from 'vitest'
import { type Ended, limitCause } from '../../src/check/cause.ts'

const KILLED: Ended = {
  failure: { kind: 'ended', message: '' },
  readyMs: 500,
  end: { code: null, signal: 'SIGKILL' },
  endedBy: 'itself',
  stderr: '',
  refusedTasks: 0,
}
const LATE: Ended = { ...KILLED, failure: { kind: 'late', message: '' }, endedBy: 'SIGKILL' }
const EXITED: Ended = { ...KILLED, end: { code: 1, signal: null } }
const ALL = { memoryMax: '1G', tasksMax: '9', runtimeMaxMs: 1_000 }

test.each<[string, typeof ALL | object, Ended, string | undefined]>([
  ['killed', ALL, KILLED, 'memoryMax'],
  ['a child killed, of a shell', ALL, { ...KILLED, end: { code: 137, signal: null } }, 'memoryMax'],
  ['killed, and no limit', {}, KILLED, undefined],
  ['killed by check', ALL, { ...KILLED, endedBy: 'SIGKILL' }, undefined],
  ['killed when its time was over', ALL, { ...KILLED, readyMs: 1_100 }, 'runtimeMax'],
  [
    'terminated when its time was over',
    ALL,
    { ...EXITED, readyMs: 1_100, end: { code: 143, signal: null } },
    'runtimeMax',
  ],
  ['crashed later than that, by a slow launch', ALL, { ...EXITED, readyMs: 1_100 }, undefined],
  ['terminated before its time', ALL, { ...KILLED, end: { code: null, signal: 'SIGTERM' } }, undefined],
  ['hangs', ALL, LATE, undefined],
  ['hangs, and was refused a task', ALL, { ...LATE, refusedTasks: 1 }, 'tasksMax'],
  ['was refused a task, of another limit', {}, { ...LATE, refusedTasks: 1 }, undefined],
  ['says that it can’t fork', ALL, { ...EXITED, stderr: 'sh: 0: Cannot fork' }, 'tasksMax'],
])('%s', (_, limits, heard, limit) => {
  const action = limitCause(limits, heard)?.action
  if (limit === undefined) expect(action).toBeUndefined()
  else expect(action).toContain(`raise its limit "${limit}" in the registry, which is `)
})
