import { describe, expect, test } from 'vitest'
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

describe('whoever takes in orphans forked us', () => {
  const STDIN = '/proc/self/fd/0'

  /** With all fields that a line has at least. */
  const stat = (fields: string) => `${fields} ${'0 '.repeat(16)}`

  /** Our parent is of another session; `links` and `texts` are the rest of this machine. */
  const orphan = (links: Record<string, string>, texts: Record<string, string>) => {
    const missing = (): never => {
      throw Object.assign(new Error('ENOENT'), { code: 'ENOENT' })
    }
    const all: Record<string, string> = {
      '/proc/100/stat': stat('100 (mcp-launch) S 42 99 99'),
      '/proc/42/stat': stat('42 (systemd) S 1 42 42'),
      ...texts,
    }
    return testWorld({
      platform: 'linux',
      pid: 100,
      parentPid: () => 42,
      files: {
        ...realWorld().files,
        read: (path) => Buffer.from(all[path] ?? missing()),
        readLink: (path) => links[path] ?? missing(),
        list: (path) => [
          ...new Set(
            ['100', 'self', ...Object.keys(links).map((link) => link.slice(1))].flatMap((entry) => {
              const rest = `/${entry}`.startsWith(`${path}/`) ? `/${entry}`.slice(path.length + 1) : undefined
              return rest === undefined ? [] : [rest.split('/')[0] ?? '']
            }),
          ),
        ],
      },
    })
  }
  const unix = (references: string) => ({
    '/proc/net/unix': `Num RefCount Protocol Flags Type St Inode Path\n00: 00000003 0 0 1 03 71\n00: ${references} 0 0 1 03 7\n`,
  })
  const writer = (flags: string, fd = '/proc/50/fd/4') => ({
    [fd.replace('/fd/', '/fdinfo/')]: `pos:\t0\nflags:\t${flags}\n`,
  })

  test.each<[string, Record<string, string>, Record<string, string>]>([
    ['a socket with a peer', { [STDIN]: 'socket:[7]' }, unix('00000003')],
    ['a pipe with a writer', { [STDIN]: 'pipe:[7]', '/proc/50/fd/4': 'pipe:[7]' }, writer('02000001')],
    ['a pipe that is open for both', { [STDIN]: 'pipe:[7]', '/proc/50/fd/4': 'pipe:[7]' }, writer('0100002')],
  ])('%s on stdin: the client lives', (_, links, texts) => {
    expect(lookAtParent(orphan(links, texts))).toEqual({ pid: 0, mainThread: undefined, isDetached: true })
  })

  test.each<[string, Record<string, string>, Record<string, string>]>([
    ['a socket without a peer', { [STDIN]: 'socket:[7]' }, unix('00000002')],
    ['a socket of elsewhere', { [STDIN]: 'socket:[8]' }, unix('00000003')],
    ['a pipe with a reader', { [STDIN]: 'pipe:[7]', '/proc/50/fd/4': 'pipe:[7]' }, writer('02000000')],
    ['a pipe that only we have', { [STDIN]: 'pipe:[7]', '/proc/100/fd/4': 'pipe:[7]' }, writer('01', '/proc/100/fd/4')],
    ['another pipe', { [STDIN]: 'pipe:[7]', '/proc/50/fd/4': 'pipe:[71]' }, writer('01')],
    ['a file', { [STDIN]: '/dev/null' }, {}],
    ['nothing', {}, {}],
  ])('%s on stdin: the client has ended', (_, links, texts) => {
    expect(lookAtParent(orphan(links, texts))).toEqual({ pid: 0, mainThread: undefined })
  })
})

test("it can't be told: no /proc file, a parent outside the pid namespace, another system", () => {
  const files = realWorld().files
  const missing = { ...files, read: () => files.read('/nonexistent') }
  expect(lookAtParent(testWorld({ platform: 'linux', files: missing })).mainThread).toBeUndefined()
  expect(lookAtParent(testWorld({ platform: 'linux', parentPid: () => 0 }))).toEqual({ pid: 0, mainThread: undefined })
  expect(lookAtParent(testWorld({ platform: 'darwin' })).mainThread).toBeUndefined()
})
