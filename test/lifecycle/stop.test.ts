import { expect, test } from 'vitest'
import type { ManagerHost } from '../../src/lifecycle/manager.ts'
import { lookAround } from '../../src/lifecycle/servers.ts'
import { stopServers } from '../../src/lifecycle/stop.ts'
import type { Program } from '../../src/world.ts'
import { logged, machine } from './machine.ts'

const HOST: ManagerHost = {
  runtimeDirectory: undefined,
  manager: { listening: false, why: 'no user manager' },
  tools: {},
}

test('a server that has ended since it was looked at gets no signal, though its pid lives', async () => {
  const audit = [logged('it', 20, 200, 10)]
  const before = machine({ processes: { 20: { start: 200 } }, audit })
  const look = await lookAround(before, HOST)
  expect(look.servers).toHaveLength(1)
  const ran: Program[] = []
  const after = machine({ processes: { 20: { start: 900 } }, audit }, ran)
  const [result] = await stopServers(after, HOST, look, look.servers)
  expect(ran).toEqual([])
  expect(result).toMatchObject({ isGone: true, why: undefined })
})
