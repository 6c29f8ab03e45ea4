import { expect, test } from 'vitest'
import { descendants } from '../../src/check/leftovers.ts'
import { realWorld } from '../../src/real-world.ts'
import { testWorld } from '../world.ts'

/** A machine on which process 10 has two threads, of which the first ends while it is looked at. */
function machine() {
  const files: Record<string, string> = {
    '/proc/10/task/11/children': '20 ',
    '/proc/20/stat': `20 (server) S 10 ${'0 '.repeat(17)}77 `,
    '/proc/20/comm': 'server\n',
  }
  const read = (path: string): Buffer => {
    const text = files[path]
    if (text === undefined) throw Object.assign(new Error(path), { code: 'ENOENT' })
    return Buffer.from(text)
  }
  const list = (directory: string): string[] => (directory === '/proc/10/task' ? ['10', '11'] : [])
  return testWorld({ platform: 'linux', files: { ...realWorld().files, read, list } })
}

test('a thread that ends while it is looked at hides no child of the others', () => {
  expect(descendants(machine(), 10)).toEqual([{ pid: 20, start: 77, program: 'server' }])
})
