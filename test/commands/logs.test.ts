import { expect, test } from 'vitest'
import { logs } from '../../src/commands/logs.ts'
import type { Finished } from '../../src/world.ts'
import { User } from './secrets/home.ts'

test.each<[string, Partial<Finished>, string]>([
  ['says too much', { end: { kind: 'too-much-output' } }, 'tail said too much'],
  ['fails without a word', { end: { kind: 'exit', code: 3 } }, 'tail ended with 3'],
  ['says why it fails', { end: { kind: 'exit', code: 1 }, stderr: 'tail: no\n' }, 'tail: no'],
])('of a program that %s tells that', async (_, finished, why) => {
  const user = new User()
  user.write('.config/mcp/servers.yaml', '{"servers": {"it": {"command": "true", "logs": "file"}}}')
  user.write('.local/state/mcp-launch/logs/it.log', 'one\n')
  const run = () =>
    Promise.resolve({ stdout: Buffer.alloc(0), stderr: '', end: { kind: 'timeout' }, ...finished } as const)
  const processes = { ...user.world.processes, run }
  await expect(logs({ ...user.world, processes }, 'it', { lines: '1', json: true })).rejects.toMatchObject({
    message: `can't read the log of server "it": ${why}`,
    hint: 'ask for fewer lines: --lines 100',
  })
})

test('without journalctl: that is said, and what to do', async () => {
  const user = new User()
  user.write('.config/mcp/servers.yaml', '{"servers": {"it": {"command": "true", "logs": "journal"}}}')
  const files = { ...user.world.files, isExecutable: (path: string) => !path.endsWith('/journalctl') }
  await expect(logs({ ...user.world, files }, 'it', { lines: '1' })).rejects.toMatchObject({
    message: 'can\'t read the log of server "it": there is no journalctl here',
    hint: expect.stringContaining('set "logs: file"'),
  })
})

test('without execve a log is printed, and can’t be followed', async () => {
  const user = new User()
  user.write('.config/mcp/servers.yaml', '{"servers": {"it": {"command": "true", "logs": "file"}}}')
  user.write('.local/state/mcp-launch/logs/it.log', 'one\n')
  const world = { ...user.world, processes: { ...user.world.processes, canReplace: false } }
  expect(await logs(world, 'it', { lines: '1' })).toBe(0)
  expect(user.said()).toBe('one\n')
  await expect(logs(world, 'it', { lines: '1', follow: true })).rejects.toMatchObject({
    message: expect.stringContaining('(no execve)'),
  })
})
