import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { planLaunch } from '../../src/launch/plan.ts'
import { secretDirectory, writeSecretFiles } from '../../src/launch/secret-files.ts'
import { Secret } from '../../src/secrets/secret.ts'
import { temporaryDirectory } from '../temporary.ts'
import { testWorld } from '../world.ts'
import { HOST, planInput } from './plan-input.ts'

function write(runtimeDirectory: string, world = testWorld()): string {
  const host = { ...HOST, runtimeDirectory, pid: process.pid }
  const directory = secretDirectory(world, host, 'demo')
  const secret = { name: 'CA', as: 'file', why: 'file:/ca', value: new Secret('certificate') } as const
  writeSecretFiles(world, planLaunch(planInput({ host, secrets: [secret], secretDirectory: directory })))
  return directory
}

test('a secret file is 0600 in a directory 0700, and can be written again', () => {
  const runtime = temporaryDirectory()
  const directory = write(runtime)
  expect(write(runtime)).toBe(directory)
  expect(readFileSync(join(directory, 'CA'), 'utf8')).toBe('certificate')
  expect(statSync(join(directory, 'CA')).mode & 0o777).toBe(0o600)
  expect(statSync(directory).mode & 0o777).toBe(0o700)
  expect(statSync(join(runtime, 'mcp-launch')).mode & 0o777).toBe(0o700)
})

test.runIf(process.platform === 'linux')(
  'what ended servers left is removed, what is in use and what is not ours stays',
  () => {
    const runtime = temporaryDirectory()
    const own = write(runtime)
    const root = join(runtime, 'mcp-launch')
    const parent = process.ppid
    for (const name of ['demo.999999999.5', `demo.${parent}.1`, 'notes', 'demo.1.0']) mkdirSync(join(root, name))
    write(runtime)
    expect(readdirSync(root).sort()).toEqual(['demo.1.0', own.slice(root.length + 1), 'notes'].sort())
  },
)

test('a directory that others can look into is refused', () => {
  const runtime = temporaryDirectory()
  mkdirSync(join(runtime, 'mcp-launch'))
  chmodSync(join(runtime, 'mcp-launch'), 0o755)
  expect(() => write(runtime)).toThrow("it is not this user's alone")
})

test("without a runtime directory there is one of the user's own under TMPDIR", () => {
  const temporary = temporaryDirectory()
  const world = testWorld({ env: { TMPDIR: temporary } })
  const directory = secretDirectory(world, { ...HOST, runtimeDirectory: undefined }, 'demo')
  expect(directory).toMatch(new RegExp(`^${temporary}/mcp-launch-${world.uid}/demo\\.4711\\.\\d+$`))
})

test("a directory that can't be made is told, and holds no half of a secret", () => {
  const runtime = '/proc/nowhere'
  expect(() => write(runtime)).toThrow(/can't write the secret files of server "demo"/)
  expect(existsSync(runtime)).toBe(false)
})
