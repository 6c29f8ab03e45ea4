import { expect, test } from 'vitest'
import { complaintOf } from '../src/complaint.ts'
import type { Finished } from '../src/world.ts'

test.each<[Finished['end'], stderr: string, complaint: string]>([
  [{ kind: 'exit', code: 1 }, 'noise\nno such unit\n\n', 'no such unit'],
  [{ kind: 'timeout' }, 'connecting', 'connecting'],
  [{ kind: 'exit', code: 3 }, ' \n', 'tool ended with 3'],
  [{ kind: 'signal', signal: 'SIGKILL' }, '', 'tool was ended by SIGKILL'],
  [{ kind: 'timeout' }, '', "tool didn't answer in time"],
  [{ kind: 'too-much-output' }, '', 'tool said too much'],
  [{ kind: 'not-started', errno: 'ENOENT' }, '', 'there is no tool here'],
  [{ kind: 'not-started', errno: 'EACCES' }, '', "tool can't be started (EACCES)"],
])('%j', (end, stderr, complaint) => {
  expect(complaintOf('tool', { stdout: Buffer.alloc(0), stderr, end })).toBe(complaint)
})
