import { expect, test } from 'vitest'
import { withIdleTimes } from '../../src/lifecycle/idle.ts'
import { lookAround, type RunningServer } from '../../src/lifecycle/servers.ts'
import { cgroupOf, machine, shownScope, type Told } from './machine.ts'

const RUN = '/run/user/1000'
const LOOKS = `${RUN}/mcp-launch/looks.json`
const HOST = { runtimeDirectory: RUN, manager: { listening: true }, tools: {} } as const
const MINUTES = 60

/** A machine whose server can be looked at again and again; `writable` is its runtime directory. */
function looker(writable = true) {
  const files: Record<string, string> = {}
  return async (uptime: number | undefined, leader: Partial<Told>, child?: Partial<Told>): Promise<RunningServer> => {
    const cgroup = cgroupOf('it', 20)
    const processes = {
      10: { start: 100 },
      20: { start: 200, cgroup, ...leader },
      ...(child === undefined ? {} : { 21: { start: 201, cgroup, ...child } }),
    }
    const shown = shownScope('it', 20, { BindsTo: 'mcp-client-10-100.service' })
    const world = machine({ processes, shown, files })
    if (uptime !== undefined) files['/proc/uptime'] = `${uptime}.00 1.00\n`
    const writeWhole = (path: string, content: string | Uint8Array): void => {
      expect(path).toBe(LOOKS)
      if (!writable) throw new Error('EROFS')
      files[path] = String(content)
    }
    const changed = { ...world, files: { ...world.files, writeWhole, makeDirectory: () => {} } }
    const [server] = withIdleTimes(changed, RUN, (await lookAround(changed, HOST)).servers)
    return server as RunningServer
  }
}

test('a server is idle when ten minutes ago it had done as much as now', async () => {
  const look = looker()
  expect(await look(1000, { schedstat: '500 1 7' })).toMatchObject({ state: 'serving', idleMs: 0 })
  expect(await look(1300, { schedstat: '500 1 7' })).toMatchObject({ state: 'serving', idleMs: 300_000 })
  expect(await look(1599, { schedstat: '500 1 7' })).toMatchObject({ state: 'serving', idleMs: 599_000 })
  expect(await look(1600, { schedstat: '500 1 7' })).toMatchObject({ state: 'idle', idleMs: 600_000 })
  expect(await look(1600 + 90 * MINUTES, { schedstat: '500 1 7' })).toMatchObject({ state: 'idle', idleMs: 6_000_000 })
})

test('whatever it does ends that: on a CPU for longer, once more, in a child, in another process', async () => {
  for (const [leader, child] of [
    [{ schedstat: '501 1 7' }],
    [{ schedstat: '500 1 8' }],
    [{ schedstat: '500 1 7' }, { schedstat: '0 0 0' }],
    [{ schedstat: '500 1 7', start: 300 }],
  ] as const) {
    const look = looker()
    await look(1000, { schedstat: '500 1 7' })
    expect(await look(9000, leader, child)).toMatchObject({ state: 'serving', idleMs: 0 })
    expect(await look(9600, leader, child)).toMatchObject({ state: 'idle' })
  }
})

test('waiting for a CPU is no work', async () => {
  const look = looker()
  await look(1000, { schedstat: '500 1 7' })
  expect(await look(9000, { schedstat: '500 2 7' })).toMatchObject({ state: 'idle' })
})

test('a look of before the boot tells nothing', async () => {
  const look = looker()
  await look(9000, { schedstat: '500 1 7' })
  expect(await look(100, { schedstat: '500 1 7' })).toMatchObject({ state: 'serving', idleMs: 0 })
})

test('an orphan is an orphan first', async () => {
  const look = looker()
  const gone = { schedstat: '500 1 7', cgroup: '/elsewhere' }
  await look(1000, gone, { schedstat: '1 1 1' })
  expect((await look(9000, gone, { schedstat: '1 1 1' })).state).toBe('orphaned')
})

test('nothing is said where the kernel doesn’t count, or has no clock', async () => {
  const look = looker()
  await look(1000, {})
  expect((await look(9000, {})).idleMs).toBeUndefined()
  expect((await looker()(undefined, { schedstat: '500 1 7' })).idleMs).toBeUndefined()
})

test('where nothing can be noted nobody is idle', async () => {
  const look = looker(false)
  await look(1000, { schedstat: '500 1 7' })
  expect(await look(9000, { schedstat: '500 1 7' })).toMatchObject({ state: 'serving', idleMs: 0 })
})
