import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { assertOnlyOwnerReads, assertOnlyOwnerWrites, shellWord } from '../src/permissions.ts'
import type { FileStat, World } from '../src/world.ts'
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

/** The same with other facts about its directory. */
function inDirectory(path: string, facts: Partial<FileStat>): World {
  const stat: World['files']['stat'] = (other) => {
    const found = world.files.stat(other)
    return other === dirname(path) && found !== undefined ? { ...found, ...facts } : found
  }
  return testWorld({ files: { ...world.files, stat } })
}

test.each([
  [{ mode: 0o770, gid: world.uid + 4711 }, 'g'],
  [{ mode: 0o2775, gid: world.uid + 4711 }, 'g'],
  [{ mode: 0o777, gid: world.uid + 4711 }, 'go'],
  [{ mode: 0o777, gid: world.uid }, 'o'],
])('a directory of %o in which others can replace the file is refused, with the chmod', (facts, who) => {
  const path = file(0o600)
  expect(() => writes(path, inDirectory(path, facts))).toThrow(
    expect.objectContaining({
      message: `refusing registry "${path}": others can replace it (its directory has mode 0${facts.mode.toString(8).slice(-3)})`,
      hint: `chmod ${who}-w ${dirname(path)}`,
      exitCode: 2,
    }),
  )
})

test.each([
  ["the user's private group", { mode: 0o775, gid: world.uid }],
  ["root's group", { mode: 0o775, gid: 0 }],
  ['nobody, for it is sticky', { mode: 0o1777, gid: world.uid + 4711 }],
  ['root', { mode: 0o755, uid: 0 }],
])('a directory that can be written by %s besides is fine', (_, facts) => {
  const path = file(0o600)
  expect(() => writes(path, inDirectory(path, facts))).not.toThrow()
})

test("a file in somebody else's directory is refused", () => {
  const path = file(0o600)
  expect(() => writes(path, inDirectory(path, { uid: world.uid + 4711 }))).toThrow(
    `others can replace it (its directory belongs to user ${world.uid + 4711})`,
  )
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
  expect(() => assertOnlyOwnerReads(other, path, { ...stat, uid: 4711 }, 'key file')).toThrow(
    expect.objectContaining({ message: `refusing key file "${path}": it belongs to user 4711`, exitCode: 1 }),
  )
  expect(() => assertOnlyOwnerWrites(other, path, { ...stat, uid: 4711 }, 'registry')).toThrow(
    'it belongs to user 4711',
  )
  expect(() => assertOnlyOwnerReads(other, path, { ...stat, uid: 0 }, 'key file')).not.toThrow()
})

test('the command in a hint can be pasted', () => {
  expect(shellWord('/home/ada/x.yaml')).toBe('/home/ada/x.yaml')
  expect(shellWord("/home/ada's/my file")).toBe(String.raw`'/home/ada'\''s/my file'`)
})
