import { expect, test } from 'vitest'
import { lookAtParent } from '../../src/launch/parent.ts'
import { realWorld } from '../../src/real-world.ts'
import { testWorld } from '../world.ts'

const reading = (children: string) =>
  testWorld({
    platform: 'linux',
    pid: 100,
    parentPid: () => 42,
    files: { ...realWorld().files, read: () => Buffer.from(children) },
  })

test('the main thread forked us', () => {
  expect(lookAtParent(reading('99 100 101 '))).toEqual({ pid: 42, mainThread: true })
})

test('another thread forked us', () => {
  expect(lookAtParent(reading('99 1000 '))).toEqual({ pid: 42, mainThread: false })
  expect(lookAtParent(reading(''))).toEqual({ pid: 42, mainThread: false })
})

test("it can't be told: no /proc file, a parent outside the pid namespace, another system", () => {
  const files = realWorld().files
  const missing = { ...files, read: () => files.read('/nonexistent') }
  expect(lookAtParent(testWorld({ platform: 'linux', files: missing })).mainThread).toBeUndefined()
  expect(lookAtParent(testWorld({ platform: 'linux', parentPid: () => 0 }))).toEqual({ pid: 0, mainThread: undefined })
  expect(lookAtParent(testWorld({ platform: 'darwin' })).mainThread).toBeUndefined()
})
