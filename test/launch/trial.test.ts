import { expect, test } from 'vitest'
import { tryParts } from '../../src/launch/trial.ts'
import type { Finished, Program } from '../../src/world.ts'
import { temporaryDirectory } from '../temporary.ts'
import { testWorld } from '../world.ts'
import { HOST } from './plan-input.ts'

/** A machine whose tools answer as told; `tried` tells which were asked. */
function machine(answers: (program: Program) => Partial<Finished>) {
  const tried: string[] = []
  const real = testWorld()
  const world = testWorld({
    env: { HOME: temporaryDirectory() },
    processes: {
      ...real.processes,
      run(program) {
        tried.push(program.file)
        const finished: Finished = { stdout: Buffer.alloc(0), stderr: '', end: { kind: 'exit', code: 0 } }
        return Promise.resolve({ ...finished, ...answers(program) })
      },
    },
  })
  return { world, tried }
}

test('what a tool said itself is remembered', async () => {
  const { world, tried } = machine(({ file }) =>
    file.endsWith('setpriv') ? { stderr: 'setpriv: unrecognized option', end: { kind: 'exit', code: 1 } } : {},
  )
  for (let launch = 0; launch < 2; launch += 1) {
    expect(await tryParts(world, HOST, undefined)).toMatchObject({
      env: undefined,
      setpriv: 'setpriv: unrecognized option',
    })
  }
  expect(tried.sort()).toEqual(['/usr/bin/env', '/usr/bin/setpriv'])
})

test.each<Finished['end']>([
  { kind: 'timeout' },
  { kind: 'signal', signal: 'SIGKILL' },
  { kind: 'not-started', errno: 'EAGAIN' },
])('a moment in which it $kind is not', async (end) => {
  let isBusy = true
  const { world } = machine(() => (isBusy ? { end } : {}))
  expect(await tryParts(world, HOST, undefined)).toMatchObject({ env: expect.any(String), setpriv: expect.any(String) })
  isBusy = false
  expect(await tryParts(world, HOST, undefined)).toMatchObject({ env: undefined, setpriv: undefined })
})
