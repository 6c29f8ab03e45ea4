import { expect, test } from 'vitest'
import { lingers } from '../../src/check/linger.ts'
import { realWorld } from '../../src/real-world.ts'
import type { Finished } from '../../src/world.ts'
import { testWorld } from '../world.ts'

const exit = (code: number): Finished['end'] => ({ kind: 'exit', code })

test.each([
  ['Linger=yes\n', exit(0), true],
  ['Linger=no\n', exit(0), false],
  ['', exit(1), undefined],
  ['', { kind: 'timeout' } as const, undefined],
])('what loginctl says: %j', async (stdout, end, answer) => {
  const asked: string[][] = []
  const real = realWorld()
  const world = testWorld({
    uid: 1234,
    env: { USER: `DOM\\${'x'.repeat(300)}` },
    files: { ...real.files, isExecutable: (path) => path === '/usr/bin/loginctl' },
    processes: {
      ...real.processes,
      run: ({ file, args }) => {
        asked.push([file, ...args])
        return Promise.resolve({ stdout: Buffer.from(stdout), stderr: '', end })
      },
    },
  })
  expect(await lingers(world)).toBe(answer)
  expect(asked).toEqual([['/usr/bin/loginctl', 'show-user', '1234', '--property=Linger']])
})

test('no loginctl, no answer', async () => {
  const { files } = realWorld()
  expect(await lingers(testWorld({ files: { ...files, isExecutable: () => false } }))).toBeUndefined()
})
