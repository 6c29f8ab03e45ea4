import { describe, expect, test } from 'vitest'
import { bootId, programOf, statOf } from '../src/proc.ts'
import { realWorld } from '../src/real-world.ts'
import type { World } from '../src/world.ts'

function world(files: Readonly<Record<string, string>>): World {
  const real = realWorld()
  const read = (path: string): Buffer => {
    const text = files[path.replace('/proc/', '')]
    if (text === undefined) throw Object.assign(new Error('ENOENT'), { code: 'ENOENT' })
    return Buffer.from(text)
  }
  return { ...real, files: { ...real.files, read } }
}

describe('the program of a client', () => {
  test.each([
    ['claude', 'claude'],
    ['/usr/share/code/code', 'code'],
    ['/usr/share/code/code --type=utility --lang=en', 'code'],
    ['node /usr/local/bin/gemini --api-key SECRET', 'node'],
    ['node\0/usr/local/bin/gemini\0--api-key\0SECRET', 'gemini'],
    ['/usr/bin/python3.11\0./client.py\0SECRET', 'client.py'],
    ['python3\0-m\0client', 'python3'],
    ['sh\0-c\0SECRET=/x run', 'sh'],
    ['bun\0run\0start', 'bun'],
    ['codex\0/SECRET', 'codex'],
    ['-bash', 'bash'],
    ['nginx: master process', 'nginx'],
    ['', 'MainThread'],
    ['/', 'MainThread'],
  ])('%j is %s', (cmdline, program) => {
    expect(programOf(world({ '7/cmdline': `${cmdline}\0`, '7/comm': 'MainThread\n' }), 7)).toBe(program)
  })

  test('is not known where nothing tells', () => {
    expect(programOf(world({}), 7)).toBeUndefined()
  })

  test('may have any letters', () => {
    expect(programOf(world({ '7/cmdline': '/opt/クライアント\0' }), 7)).toBe('クライアント')
  })
})

test('a stat whose name looks like fields', () => {
  const fields = Array.from({ length: 22 }, (_, index) => index + 4)
  const stat = { pid: 7, state: 'S', parent: 4, session: 6, threads: 20, start: 22 }
  expect(statOf(world({ '7/stat': `7 (a) S 1 (b)) S ${fields.join(' ')}\n` }), 7)).toEqual(stat)
  expect(statOf(world({ '7/stat': '7 (a) S 1' }), 7)).toBeUndefined()
  expect(statOf(world({}), 7)).toBeUndefined()
})

test('the boot', () => {
  expect(bootId(world({ 'sys/kernel/random/boot_id': 'abc\n' }))).toBe('abc')
  expect(bootId(world({}))).toBeUndefined()
})
