import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LaunchError } from '../../src/errors.ts'
import { findExecutable, searchDirectories } from '../../src/launch/executable.ts'
import { testWorld } from '../world.ts'

let root = ''

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), `mcp-launch-test-${process.pid}-executable-`))
  const make = (name: string, content: string | Buffer, mode = 0o755) => {
    mkdirSync(join(root, name, '..'), { recursive: true })
    writeFileSync(join(root, name), content)
    chmodSync(join(root, name), mode)
  }
  make('one/good', '#!/bin/sh\n')
  make('two/good', '#!/bin/sh\n')
  const sh = readFileSync('/bin/sh')
  const foreign = Buffer.from(sh)
  // e_machine: MIPS.
  foreign.writeUInt16LE(8, 18)
  make('one/binary', sh)
  make('one/foreign', foreign)
  make('one/truncated', sh.subarray(0, 20))
  make('one/windows', Buffer.concat([Buffer.from('MZ'), Buffer.alloc(100)]))
  make('one/portable', Buffer.from("MZqFpD='\n\0'\necho\n"))
  make('one/locked-interpreter', '#!/etc/passwd\n')
  make('one/by-env', '#!/usr/bin/env good\n')
  make('one/by-env-split', '#!/usr/bin/env -S good --flag\n')
  make('one/by-env-missing', '#!/usr/bin/env no-such-interpreter\n')
  make('one/locked', '#!/bin/sh\n', 0o644)
  make('two/locked', '#!/bin/sh\n')
  make('one/only-locked', '#!/bin/sh\n', 0o644)
  make('one/empty', '')
  make('one/text', 'echo hello\n')
  make('one/no-interpreter', '#!/opt/nowhere/python\n')
  make('one/crlf', '#!/bin/sh\r\n')
  make('one/spaced', '#! /bin/sh -e\n')
  make('home/.local/bin/elsewhere', '#!/bin/sh\n')
  mkdirSync(join(root, 'one/directory'))
})

afterAll(() => rmSync(root, { recursive: true }))

/** A machine that runs no foreign formats, whatever the one of the tests does. */
const real = testWorld()
const machine = (formats = ['register', 'status']) =>
  testWorld({
    env: { HOME: join(root, 'home') },
    files: {
      ...real.files,
      list: (path) => (path === '/proc/sys/fs/binfmt_misc' ? formats : real.files.list(path)),
    },
  })

const find = (command: string, directories = [join(root, 'one'), join(root, 'two')]) =>
  findExecutable(machine(), {
    server: 'demo',
    command,
    cwd: root,
    directories,
    serverPath: `/usr/bin:/bin:${join(root, 'one')}`,
  })

test.each([
  ['good', 'one/good'],
  ['binary', 'one/binary'],
  ['locked', 'two/locked'],
  ['spaced', 'one/spaced'],
  ['by-env', 'one/by-env'],
  ['portable', 'one/portable'],
  ['by-env-split', 'one/by-env-split'],
  ['./two/good', 'two/good'],
  ['two/good', 'two/good'],
])('%s is %s', (command, expected) => {
  expect(find(command)).toBe(join(root, expected))
})

test('an absolute path is itself', () => {
  expect(find(join(root, 'two/good'))).toBe(join(root, 'two/good'))
})

test.each([
  ['missing', 127, /command not found "missing": looked in .*one:.*two$/],
  ['./missing', 127, /no such command ".*\/missing"$/],
  ['directory', 127, /command not found "directory"/],
  ['./one/directory', 126, /not executable ".*": is a directory$/],
  ['only-locked', 126, /not executable ".*": no permission to execute it$/],
  ['empty', 126, /not executable ".*": is empty$/],
  ['foreign', 126, /not executable ".*": is no program for this machine$/],
  ['truncated', 126, /not executable ".*": is no program for this machine$/],
  ['windows', 126, /not executable ".*": is no program for this machine$/],
  ['locked-interpreter', 126, /no permission to execute its interpreter \/etc\/passwd$/],
  ['by-env-missing', 127, /its interpreter isn't on the PATH "no-such-interpreter"/],
  ['text', 126, /not executable ".*": neither a program nor a script with "#!"$/],
  ['no-interpreter', 127, /its interpreter isn't there "\/opt\/nowhere\/python"/],
  ['crlf', 127, /its interpreter isn't there "\/bin\/sh/],
])('%s ends with %i', (command, exitCode, message) => {
  let error: unknown
  try {
    find(command)
  } catch (thrown) {
    error = thrown
  }
  expect(error).toBeInstanceOf(LaunchError)
  expect((error as LaunchError).message).toMatch(message)
  expect((error as LaunchError).exitCode).toBe(exitCode)
})

test('what another machine’s program needs may be out of sight in a container', () => {
  const search = { server: 'demo', command: join(root, 'one/foreign'), cwd: root, directories: [], serverPath: '' }
  expect(findExecutable(machine([]), search)).toBe(join(root, 'one/foreign'))
  expect(findExecutable(machine(['register', 'status', 'qemu-mips']), search)).toBe(join(root, 'one/foreign'))
  const windows = { ...search, command: join(root, 'one/windows') }
  expect(() => findExecutable(machine([]), windows)).toThrow('is no program for this machine')
  expect(findExecutable(machine(['register', 'status', 'WSLInterop']), windows)).toBe(join(root, 'one/windows'))
})

test('the hint names the usual directory that has it', () => {
  expect(() => find('elsewhere')).toThrow(
    expect.objectContaining({ hint: expect.stringContaining('path: [~/.local/bin]') }),
  )
})

test('without a PATH the usual system directories are searched', () => {
  expect(searchDirectories(['/own'], undefined)).toEqual(['/own', '/usr/local/bin', '/usr/bin', '/bin'])
  expect(searchDirectories([], '/a::/b:bin:.:./node_modules/.bin')).toEqual(['/a', '/b'])
})
