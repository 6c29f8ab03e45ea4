import { join } from 'node:path'
import { describe, expect } from 'vitest'
import { allReady, expectAllGone, watchesOf, writeNasty } from './clients/nasty.ts'
import { executable } from './harness/artefacts.ts'
import { isAlive, kill } from './harness/processes.ts'
import { noManager, userManager } from './harness/provided.ts'
import { ROOT } from './harness/root.ts'
import { test } from './harness/sandbox.ts'
import { server } from './harness/servers.ts'
import { unitProperties } from './harness/units.ts'
import { waitFor } from './harness/wait-for.ts'

const MANY = join(ROOT, 'test', 'e2e', 'clients', 'many-launches.py')
const ANSWER = 'read -r line; echo "$line"'

/** For each line of input one more launch in the background; it says the pid. */
const ON_DEMAND = 'while read -r line; do "$@" & echo "$!"; done'

describe.skipIf(noManager)('a server whose client lives', () => {
  test('is not killed: 500 launches in a row, most of them from threads that end', { timeout: 240_000 }, async ({
    sandbox,
    skip,
  }) => {
    if ((await (await sandbox.run(['sh', '-c', 'command -v python3'])).exited).code !== 0) return skip('no python3')
    sandbox.writeRegistry({
      servers: {
        fast: { command: 'sh', args: ['-c', `${ANSWER}; read -r line; exit 0`] },
        stay: { command: 'sh', args: ['-c', `${ANSWER}; ${ANSWER}; sleep 600; exit`] },
      },
    })
    const argv = ['python3', MANY, '500', ...executable.argv]
    const client = await sandbox.run(argv, { env: sandbox.envWithManager() })
    const said = () => client.stdout().toString()
    await Promise.race([
      waitFor(() => said() === 'launched\n', { what: '500 launches', limitMs: 230_000 }),
      client.processEnded.then(() => expect(client.stderr()).toBe('')),
    ])
    expect(await watchesOf(client.pid)).toHaveLength(1)
    client.stdin.write('\n')
    await waitFor(() => said().includes('answer'), { what: 'the answers of those that stay' })
    expect(said()).toBe('launched\n30 of 30 answer\n')
    expect(client.stderr()).toBe('')
    kill(client.pid)
    await sandbox.expectNothingLeft()
    expect(await watchesOf(client.pid)).toEqual([])
  })

  test('is not killed with its twin: started twice, one probed and killed', async ({ sandbox }) => {
    const servers = writeNasty(sandbox, ['deaf'], { args: ['-c', 'echo ready; exec sleep 600'] })
    const argv = ['sh', '-c', ON_DEMAND, 'sh', ...executable.argv, ...servers.names]
    const client = await sandbox.run(argv, { env: sandbox.envWithManager() })
    client.stdin.write('\n\n')
    await allReady(client, 2)
    const pids = client.stdout().toString().match(/\d+/g)?.map(Number) ?? []
    const [probe = 0, real = 0] = pids
    expect(await servers.units()).toHaveLength(2)
    kill(probe)
    await waitFor(async () => (await servers.units()).length === 1, { what: 'the end of the probe' })
    client.stdin.write('\n')
    await allReady(client, 3)
    expect(isAlive(real)).toBe(true)
    expect(await servers.units()).toHaveLength(2)
    expect(await watchesOf(client.pid)).toHaveLength(1)
    kill(client.pid)
    await expectAllGone(sandbox, servers, client.pid)
  })

  test('loses what killed probes left behind with the next launch', async ({ sandbox }) => {
    const servers = writeNasty(sandbox, ['chain', 'setsid'])
    const script = 'while read -r it; do "$@" "$it" & echo "$!"; done; exec sleep 600'
    const argv = ['sh', '-c', script, 'sh', ...executable.argv]
    const client = await sandbox.run(argv, { env: sandbox.envWithManager() })
    const [chain = '', setsid = ''] = servers.names
    const probe = async (count: number, ...names: string[]): Promise<number[]> => {
      client.stdin.write(names.map((name) => `${name}\n`).join(''))
      await allReady(client, count)
      return client.stdout().toString().match(/\d+/g)?.map(Number) ?? []
    }
    const pids = await probe(2, chain, setsid)
    for (const pid of pids) kill(pid)
    await waitFor(() => pids.every((pid) => !isAlive(pid)), { what: 'the end of the leaders' })
    expect(await servers.units()).toHaveLength(2)
    const pid = (await probe(3, setsid)).at(-1) ?? 0
    const units = async () => (await servers.units()).join()
    await waitFor(async () => (await units()) === `mcp-${setsid}-${pid}.scope`, { what: 'the end of what was left' })
    expect([isAlive(pid), isAlive(client.pid)]).toEqual([true, true])
    kill(client.pid)
    await expectAllGone(sandbox, servers, client.pid)
  })

  test('loses what it left when its client starts it again, though the client reads on', async ({ sandbox }) => {
    const { command, args } = server('mcp-env')
    const script = 'setsid sleep 600 & exec "$@"'
    const servers = writeNasty(sandbox, ['setsid'], {
      command: 'sh',
      args: ['-c', script, 'sh', command, ...args],
    })
    const [name = ''] = servers.names
    const connect = () => sandbox.connect(executable, [name], { env: sandbox.envWithManager() })
    const first = await connect()
    await first.close()
    expect(await servers.units()).toEqual([`mcp-${name}-${first.pid}.scope`])
    const second = await connect()
    const units = async () => (await servers.units()).join()
    await waitFor(async () => (await units()) === `mcp-${name}-${second.pid}.scope`, {
      what: 'the end of what was left',
    })
    expect(JSON.parse(await second.call('env'))).toMatchObject({ pid: second.pid })
  })

  test('is bound, also if 30 start at once', async ({ sandbox }) => {
    const servers = writeNasty(sandbox, ['deaf'], { deathSignal: 'off' })
    const argv = ['sh', '-c', ON_DEMAND, 'sh', ...executable.argv, ...servers.names]
    const client = await sandbox.run(argv, { env: sandbox.envWithManager() })
    client.stdin.write('\n'.repeat(30))
    await allReady(client, 30)
    const [watch, ...more] = await watchesOf(client.pid)
    expect(more).toEqual([])
    const units = await servers.units()
    const bound = await Promise.all(units.map(async (unit) => (await unitProperties(userManager(), unit))['BindsTo']))
    expect(bound).toEqual(Array.from({ length: 30 }, () => watch))
    kill(client.pid)
    await expectAllGone(sandbox, servers, client.pid)
    expect(await watchesOf(client.pid)).toEqual([])
  })
})
