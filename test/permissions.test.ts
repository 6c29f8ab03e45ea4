import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { assertOnlyOwnerReads, assertOnlyOwnerWrites, shellWord } from '../src/permissions.ts'
import { temporaryDirectory } from './temporary.ts'
import { testWorld } from './world.ts'

function file(mode: number, directoryMode = 0o755): string {
  const directory = join(temporaryDirectory(), 'd')
  mkdirSync(directory)
  chmodSync(directory, directoryMode)
  writeFileSync(join(directory, 'f'), 'x')
  chmodSync(join(directory, 'f'), mode)
  return join(directory, 'f')
}

const world = testWorld()
const writes = (path: string, w = world) => {
  const stat = world.files.stat(path)
  if (stat !== undefined) assertOnlyOwnerWrites(w, path, stat, 'registry')
}
const reads = (path: string, w = world) => {
  const stat = world.files.stat(path)
  if (stat !== undefined) assertOnlyOwnerReads(w, path, stat, 'key file')
}

test.each([0o600, 0o644, 0o444, 0o400])('mode %o may say what is run', (mode) => {
  expect(() => writes(file(mode))).not.toThrow()
})

test.each([0o620, 0o602, 0o666, 0o664])('mode %o may not, and the chmod is named', (mode) => {
  const path = file(mode)
  expect(() => writes(path)).toThrow(expect.objectContaining({ exitCode: 2, hint: `chmod go-w ${path}` }))
})

test('a directory in which everybody can replace the file is refused, unless it is sticky', () => {
  expect(() => writes(file(0o600, 0o777))).toThrow('others can replace it')
  expect(() => writes(file(0o600, 0o1777))).not.toThrow()
})

test.each([0o600, 0o400])('mode %o may hold a key', (mode) => {
  expect(() => reads(file(mode))).not.toThrow()
})

test.each([0o640, 0o604, 0o644, 0o666])('mode %o may not, and the chmod is named', (mode) => {
  const path = file(mode)
  expect(() => reads(path)).toThrow(expect.objectContaining({ exitCode: 1, hint: `chmod 600 ${path}` }))
})

test("somebody else's file is refused; root's is fine, also where its group may read it", () => {
  const path = file(0o640)
  const stat = world.files.stat(path)
  if (stat === undefined) throw new Error('no file')
  const other = testWorld({ uid: 4242 })
  expect(() => assertOnlyOwnerReads(other, path, { ...stat, uid: 4711 }, 'key file')).toThrow('it belongs to user 4711')
  expect(() => assertOnlyOwnerWrites(other, path, { ...stat, uid: 4711 }, 'registry')).toThrow(
    'it belongs to user 4711',
  )
  expect(() => assertOnlyOwnerReads(other, path, { ...stat, uid: 0 }, 'key file')).not.toThrow()
})

test('the command in a hint can be pasted', () => {
  expect(shellWord('/home/ada/x.yaml')).toBe('/home/ada/x.yaml')
  expect(shellWord("/home/ada's/my file")).toBe(String.raw`'/home/ada'\''s/my file'`)
})
