import { describe, expect, test } from 'vitest'
import type { ManagerHost } from '../../src/lifecycle/manager.ts'
import { lookAround, type RunningServer } from '../../src/lifecycle/servers.ts'
import type { Program } from '../../src/world.ts'
import { cgroupOf, logged, type Machine, machine, NOW, shownScope } from './machine.ts'

const HOST: ManagerHost = { runtimeDirectory: '/run/user/1000', manager: { listening: true }, tools: {} }

async function look(told: Machine): Promise<readonly RunningServer[]> {
  return (await lookAround(machine(told), HOST)).servers
}

async function only(told: Machine): Promise<RunningServer> {
  const servers = await look(told)
  expect(servers).toHaveLength(1)
  return servers[0] as RunningServer
}

const cgroup = cgroupOf('it', 20)
const CLIENT = { 10: { start: 100, program: 'codex' } }
const BOUND = { BindsTo: 'mcp-client-10-100.service' }

test('one call of systemctl for all', async () => {
  const ran: Program[] = []
  const shown = Array.from({ length: 50 }, (_, index) => shownScope('it', 20 + index)).join('')
  await lookAround(machine({ processes: {}, shown }, ran), HOST)
  expect(ran).toHaveLength(1)
  expect(ran[0]).toMatchObject({ file: '/usr/bin/systemctl', env: { XDG_RUNTIME_DIR: '/run/user/1000' } })
})

describe('a server in a scope', () => {
  const shown = shownScope('it', 20, BOUND)
  const leader = { parent: 10, start: 200, cgroup }

  test('whose client lives is serving', async () => {
    expect(await only({ processes: { ...CLIENT, 20: leader }, shown })).toMatchObject({
      state: 'serving',
      client: { pid: 10, program: 'codex', isAlive: true },
      start: 200,
      why: undefined,
    })
  })

  test('whose client has ended is orphaned, and so is one whose client’s pid is a stranger’s by now', async () => {
    const gone = await only({ processes: { 20: leader }, shown })
    expect(gone).toMatchObject({ state: 'orphaned', why: 'its client (pid 10) has ended' })
    for (const start of [99, 101]) {
      const reused = await only({ processes: { 10: { start }, 20: leader }, shown })
      expect(reused).toMatchObject({ state: 'orphaned', client: { isAlive: false } })
    }
    const zombie = await only({ processes: { 10: { start: 100, state: 'Z' }, 20: leader }, shown })
    expect(zombie.state).toBe('orphaned')
  })

  test('whose client lives where /proc doesn’t show it is not orphaned', async () => {
    expect((await only({ processes: { 20: leader }, hidden: [10], shown })).state).toBe('serving')
  })

  test('whose leader has ended is orphaned, also if a stranger has its pid by now', async () => {
    const left = { 21: { start: 201, cgroup }, 22: { start: 202, cgroup: `${cgroup}/below` } }
    for (const stranger of [{}, { 20: { start: 900, cgroup: '/elsewhere' } }]) {
      expect(await only({ processes: { ...CLIENT, ...left, ...stranger }, shown })).toMatchObject({
        state: 'orphaned',
        start: undefined,
        why: 'the server itself has ended and left 2 processes',
      })
    }
  })

  describe('whose leader has ended', () => {
    const left = (descriptors: readonly string[]) => ({
      21: { start: 201, cgroup },
      22: { start: 202, cgroup, descriptors },
    })
    const state = async (descriptors: readonly string[], more: Partial<Machine> = {}, client: object = {}) =>
      (await only({ shown, ...more, processes: { 10: { ...CLIENT[10], ...client }, ...left(descriptors) } })).state

    test('is serving while its client has the other end of its stdin', async () => {
      const pipes = { descriptors: ['/dev/null', 'pipe:[8]', 'pipe:[7]'] }
      expect(await state(['pipe:[7]', 'pipe:[8]'], {}, pipes)).toBe('serving')
      expect(await state(['socket:[7]'], { sockets: { 7: 3 } })).toBe('serving')
    })

    test('is orphaned when its client has closed that, though it may still read', async () => {
      const pipes = { descriptors: ['/dev/null', 'pipe:[8]'] }
      expect(await state(['pipe:[7]', 'pipe:[8]'], {}, pipes)).toBe('orphaned')
      expect(await state(['socket:[7]', 'socket:[8]'], { sockets: { 7: 2, 8: 3 } })).toBe('orphaned')
      expect(await state(['/dev/null', 'pipe:[8]'], {}, pipes)).toBe('orphaned')
      expect(await state(['/home/u/file'], {}, { descriptors: ['/home/u/file'] })).toBe('orphaned')
      expect(await state([])).toBe('orphaned')
    })

    test('is serving where that can’t be told', async () => {
      expect(await state(['EACCES'])).toBe('serving')
      expect(await state(['/dev/pts/1'])).toBe('serving')
      expect(await state(['pipe:[7]'], {}, { descriptors: ['EACCES'] })).toBe('serving')
      expect(await state(['socket:[7]'], { sockets: { 8: 2 } })).toBe('serving')
      const unbound = shownScope('it', 20)
      expect((await only({ shown: unbound, processes: left(['pipe:[7]']) })).state).toBe('serving')
    })

    test('is orphaned in any case when its client has ended', async () => {
      const processes = left(['socket:[7]'])
      expect((await only({ shown, processes, sockets: { 7: 3 } })).state).toBe('orphaned')
    })
  })

  test('of which nothing can be seen is no orphan', async () => {
    expect(await only({ processes: {}, shown })).toMatchObject({ state: 'unseen', why: undefined })
    expect((await only({ processes: { 20: { ...leader, state: 'Z' } }, shown })).state).toBe('unseen')
    expect((await only({ processes: { 20: { ...leader, cgroup: `${cgroup}x` } }, shown })).state).toBe('unseen')
    expect((await only({ processes: { 20: leader }, shown: shownScope('it', 20, { ControlGroup: '' }) })).state).toBe(
      'unseen',
    )
  })

  test('that is being stopped says so', async () => {
    const stopping = shownScope('it', 20, { ...BOUND, ActiveState: 'deactivating' })
    expect((await only({ processes: { 20: leader }, shown: stopping })).state).toBe('stopping')
  })

  test('whose first thread has ended is there as long as another is', async () => {
    const processes = { ...CLIENT, 20: { ...leader, state: 'Z', threads: 3 } }
    expect(await only({ processes, shown })).toMatchObject({ state: 'serving', start: 200 })
    const client = { 10: { start: 100, state: 'Z', threads: 2 }, 20: leader }
    expect((await only({ processes: client, shown })).state).toBe('serving')
  })

  test('may be bound or not', async () => {
    expect((await only({ processes: { ...CLIENT, 20: leader }, shown })).isBound).toBe(true)
    expect((await only({ processes: { ...CLIENT, 20: leader }, shown: shownScope('it', 20) })).isBound).toBe(false)
  })

  describe('has the smallest limit', () => {
    const measured = { MemoryCurrent: '5000', MemoryMax: '9000', TasksCurrent: '3', TasksMax: 'infinity' }
    const limits = async (files: Readonly<Record<string, string>>) => {
      const { memory, tasks } = await only({ processes: { 20: leader }, shown: shownScope('it', 20, measured), files })
      return [memory.max, tasks.max]
    }

    test('of its own, its slice and all above, with version 2 of cgroups', async () => {
      const top = '/sys/fs/cgroup'
      expect(
        await limits({ [`${top}/mcp.slice/memory.max`]: 'max\n', [`${top}/mcp.slice/pids.max`]: 'max\n' }),
      ).toEqual([9000, undefined])
      expect(
        await limits({
          [`${top}${cgroup}/pids.max`]: '70\n',
          [`${top}/mcp.slice/memory.max`]: '8000\n',
          [`${top}/mcp.slice/pids.max`]: '60\n',
          [`${top}/memory.max`]: '7000\n',
        }),
      ).toEqual([7000, 60])
    })

    test('with version 1, where each controller has paths of its own', async () => {
      const top = '/sys/fs/cgroup'
      expect(
        await limits({
          '/proc/20/cgroup': `5:pids:${cgroup}\n4:memory:/m\n1:name=systemd:${cgroup}\n0::${cgroup}\n`,
          [`${top}/memory/m/memory.limit_in_bytes`]: '9223372036854771712\n',
          [`${top}/memory/memory.limit_in_bytes`]: '6000\n',
          [`${top}/pids/mcp.slice/pids.max`]: '50\n',
        }),
      ).toEqual([6000, 50])
    })
  })

  test('is measured by systemd, else process by process', async () => {
    const measured = { MemoryCurrent: '5000', MemoryMax: '9000', TasksCurrent: '3', TasksMax: 'infinity' }
    expect(await only({ processes: { 20: leader }, shown: shownScope('it', 20, measured) })).toMatchObject({
      memory: { used: 5000, max: 9000, from: 'cgroup' },
      tasks: { used: 3, max: undefined, from: 'cgroup' },
    })
    const processes = { 20: leader, 21: { start: 201, cgroup, threads: 4, kilobytes: 50 } }
    const without = shownScope('it', 20, { MemoryCurrent: '[not set]', TasksCurrent: '[not set]', MemoryMax: '9000' })
    expect(await only({ processes, shown: without })).toMatchObject({
      memory: { used: 150 * 1024, max: 9000, from: 'processes' },
      tasks: { used: 5, max: undefined, from: 'processes' },
    })
  })
})

describe('an older scope, bound to nobody', () => {
  const shown = shownScope('it', 20)
  const unit = 'mcp-it-20.scope'

  test('has its client from the audit log', async () => {
    const audit = [logged('it', 20, 200, 10, { unit })]
    const leader = { start: 200, cgroup }
    expect(await only({ processes: { ...CLIENT, 20: leader }, shown, audit })).toMatchObject({
      state: 'serving',
      since: NOW - 60_000,
    })
    expect((await only({ processes: { 20: leader }, shown, audit })).state).toBe('orphaned')
    const younger = { 10: { start: 201 }, 20: leader }
    expect((await only({ processes: younger, shown, audit })).state).toBe('orphaned')
  })

  test('has none from a line of another boot', async () => {
    const audit = [logged('it', 20, 200, 10, { unit, boot: 'another' })]
    const server = await only({ processes: { 20: { start: 200, cgroup } }, shown, audit })
    expect(server).toMatchObject({ client: undefined, state: 'serving' })
  })

  test('has none from a line about another process of that pid', async () => {
    const audit = [logged('it', 20, 150, 10, { unit })]
    const server = await only({ processes: { 20: { start: 200, cgroup } }, shown, audit })
    expect(server).toMatchObject({ client: undefined, state: 'serving' })
  })
})

describe('a server without a scope', () => {
  const audit = [logged('it', 20, 200, 10)]

  test('is the process of its line', async () => {
    const processes = { ...CLIENT, 20: { start: 200 }, 21: { start: 201, parent: 20 }, 22: { start: 202, parent: 21 } }
    expect(await only({ processes, audit })).toMatchObject({
      unit: undefined,
      state: 'serving',
      memory: { used: 300 * 1024, max: undefined, from: 'processes' },
      tasks: { used: 3 },
    })
  })

  test('is orphaned if its client has ended, or another has its pid', async () => {
    expect((await only({ processes: { 20: { start: 200 } }, audit })).state).toBe('orphaned')
    expect((await only({ processes: { 10: { start: 300 }, 20: { start: 200 } }, audit })).state).toBe('orphaned')
  })

  test('is not a stranger of its pid', async () => {
    expect(await look({ processes: { ...CLIENT, 20: { start: 201 } }, audit })).toEqual([])
    expect(await look({ processes: { 20: { start: 200 } }, audit: [logged('it', 20, 0, 10)] })).toEqual([])
  })

  test('is not the process that has the pid and the start time of one of another boot', async () => {
    for (const boot of ['5e5e5e5e-1111-2222-3333-444444444444', undefined]) {
      const older = logged('it', 20, 200, 10, { boot })
      expect(await look({ processes: { 20: { start: 200 } }, audit: [older] })).toEqual([])
    }
  })

  test.each([{}, { server: 1 }, { pid: 'x' }, { start: null }])('a line that is none: %j', async (damage) => {
    const line = { ...logged('it', 20, 200, 10), ...damage }
    const expected = Object.keys(damage).length === 0 ? 1 : 0
    expect(await look({ processes: { 20: { start: 200 } }, audit: [line] })).toHaveLength(expected)
  })
})

test('without HOME there is no audit log, and that is said', async () => {
  const told = { processes: { ...CLIENT, 20: { start: 200, cgroup } }, shown: shownScope('it', 20, BOUND) }
  const { servers, notes } = await lookAround({ ...machine(told), env: { PATH: '/usr/bin' } }, HOST)
  expect(servers).toMatchObject([{ server: 'it', state: 'serving' }])
  expect(notes).toEqual([
    "servers without a scope can't be told from others: can't find the home directory: HOME is not set",
  ])
})

test('without a manager only what the audit log tells, and that is said', async () => {
  const told = { processes: { ...CLIENT, 20: { start: 200 } }, audit: [logged('it', 20, 200, 10)] }
  const manager = { listening: false, why: 'no user manager in /run/user/1000' } as const
  const { servers, notes } = await lookAround(machine(told), { ...HOST, manager })
  expect(servers).toHaveLength(1)
  expect(notes).toEqual([
    "scopes can't be seen (no user manager in /run/user/1000): only the processes of the audit log are told",
  ])
})
