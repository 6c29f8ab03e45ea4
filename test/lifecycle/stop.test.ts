import { describe, expect, test } from 'vitest'
import type { ManagerHost } from '../../src/lifecycle/manager.ts'
import { lookAround } from '../../src/lifecycle/servers.ts'
import { stopServers } from '../../src/lifecycle/stop.ts'
import type { World } from '../../src/world.ts'
import { logged, machine, OWN_PID, type Told } from './machine.ts'

const HOST: ManagerHost = {
  runtimeDirectory: undefined,
  manager: { listening: false, why: 'no user manager' },
  tools: {},
}

/** Stops the server 20 on a machine that answers to signals as `answer` says. */
async function stop(
  processes: Record<number, Told>,
  answer: (pid: number, signal: string) => void,
): Promise<{ readonly isGone: boolean; readonly signals: string[] }> {
  const signals: string[] = []
  let now = 0
  const told = { processes, audit: [logged('it', 20, 200, 10)] }
  const world: World = {
    ...machine(told, [], (pid, signal) => {
      signals.push(`${signal.slice(3)} ${pid}`)
      answer(pid, signal)
    }),
    now: () => now,
    sleep(milliseconds) {
      now += milliseconds
      return Promise.resolve()
    },
  }
  const look = await lookAround(world, HOST)
  expect(look.servers).toHaveLength(1)
  const [result] = await stopServers(world, HOST, look, look.servers)
  return { isGone: result?.isGone === true, signals }
}

test('a server that has ended since it was looked at gets no signal, though its pid lives', async () => {
  const audit = [logged('it', 20, 200, 10)]
  const before = machine({ processes: { 20: { start: 200 } }, audit })
  const look = await lookAround(before, HOST)
  expect(look.servers).toHaveLength(1)
  const after = machine({ processes: { 20: { start: 900 }, 21: { start: 901, parent: 20 } }, audit })
  const [result] = await stopServers(after, HOST, look, look.servers)
  expect(result).toMatchObject({ isGone: true, why: undefined })
})

describe('a server without a scope', () => {
  const tree = (): Record<number, Told> => ({
    20: { start: 200 },
    21: { start: 201, parent: 20 },
    22: { start: 202, parent: 21 },
    30: { start: 203 },
  })

  test('is stopped with all that it has started, from its leader on', async () => {
    const processes = tree()
    const { isGone, signals } = await stop(processes, (pid, signal) => {
      if (signal === 'SIGTERM') delete processes[pid]
    })
    expect(signals).toEqual(['TERM 20', 'TERM 21', 'TERM 22'])
    expect(isGone).toBe(true)
    expect(Object.keys(processes)).toEqual(['30'])
  })

  test('is killed with what it started meanwhile', async () => {
    const processes = tree()
    const { isGone, signals } = await stop(processes, (pid, signal) => {
      if (signal === 'SIGTERM' && pid === 20) delete processes[20]
      if (signal === 'SIGTERM' && pid === 22) processes[23] = { start: 300, parent: 22 }
      if (signal === 'SIGKILL') delete processes[pid]
    })
    expect(signals.filter((one) => !one.startsWith('CONT'))).toEqual([
      ...['TERM 20', 'TERM 21', 'TERM 22'],
      ...['KILL 21', 'KILL 22', 'KILL 23'],
    ])
    expect(isGone).toBe(true)
  })

  test('takes no stranger with it that has the pid of one of them by now', async () => {
    const processes = tree()
    const { isGone, signals } = await stop(processes, (pid) => {
      delete processes[pid]
      processes[22] = { start: 999 }
    })
    expect(signals).toEqual(['TERM 20', 'TERM 21'])
    expect(isGone).toBe(true)
  })

  test('is not gone while any of it is there', async () => {
    const processes = tree()
    const { isGone } = await stop(processes, (pid) => {
      if (pid !== 22) delete processes[pid]
    })
    expect(isGone).toBe(false)
  })

  test('doesn’t take who stops it along', async () => {
    const processes: Record<number, Told> = { ...tree(), [OWN_PID]: { start: 9_000, parent: 20 } }
    const { isGone, signals } = await stop(processes, (pid) => {
      delete processes[pid]
    })
    expect(signals.join()).not.toContain(String(OWN_PID))
    expect(isGone).toBe(true)
  })
})
