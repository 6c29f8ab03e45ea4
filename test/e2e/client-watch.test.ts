import { describe, expect } from 'vitest'
import { artefacts, executable } from './harness/artefacts.ts'
import { isAlive, kill } from './harness/processes.ts'
import { noManager, userManager } from './harness/provided.ts'
import { type Sandbox, test } from './harness/sandbox.ts'
import { listUnits, unitProperties } from './harness/units.ts'
import { waitFor } from './harness/wait-for.ts'

/** Ignores every polite request, and leaves a grandchild in a session of its own. */
const NASTY = 'trap "" TERM HUP INT; setsid sleep 600 & sleep 600 & echo "$$"; while :; do sleep 600; done'

/** A client: starts what it is told in the background, as many times as it is told, and stays. */
const CLIENT = 'n=$1; shift; for i in $(seq "$n"); do "$@" & done; wait; sleep 600'

const client = (count: number) => ['sh', '-c', CLIENT, 'sh', String(count)]

function writeServer(sandbox: Sandbox, entry: object = {}): void {
  const nasty = { command: 'sh', args: ['-c', NASTY], deathSignal: 'off', stopTimeout: '1s' }
  sandbox.writeRegistry({ servers: { it: { ...nasty, ...entry } } })
}

const scopes = () => listUnits(userManager(), 'mcp-it-*.scope')
const watchesOf = (pid: number) => listUnits(userManager(), `mcp-client-${pid}-*.service`)

describe.skipIf(noManager).each(artefacts)('a client that is killed, $name', (artefact) => {
  test('takes everything its server started with it, and its watch', async ({ sandbox }) => {
    writeServer(sandbox)
    const started = await sandbox.launch(artefact, ['it'], { env: sandbox.envWithManager(), prefix: client(1) })
    const leader = Number(await started.firstLine())
    const [watch = ''] = await watchesOf(started.pid)
    expect(await unitProperties(userManager(), `mcp-it-${leader}.scope`)).toMatchObject({
      BindsTo: watch,
      After: expect.stringContaining(watch),
    })
    kill(started.pid)
    await waitFor(async () => (await watchesOf(started.pid)).length === 0, { what: 'the end of the watch' })
    await sandbox.expectNothingLeft()
    expect(isAlive(leader)).toBe(false)
  })
})

describe.skipIf(noManager)('the watch of a client', () => {
  test('is one for 30 servers that start at once', async ({ sandbox }) => {
    writeServer(sandbox)
    const started = await sandbox.launch(executable, ['it'], { env: sandbox.envWithManager(), prefix: client(30) })
    const bound = async (): Promise<string[]> => {
      const units = await scopes()
      return Promise.all(units.map(async (unit) => (await unitProperties(userManager(), unit))['BindsTo'] ?? ''))
    }
    const [watch = ''] = await waitFor(
      async () => {
        const watches = await watchesOf(started.pid)
        return (await bound()).filter((unit) => watches.includes(unit)).length === 30 && watches
      },
      { what: '30 bound scopes', limitMs: 30_000 },
    )
    expect(await watchesOf(started.pid)).toEqual([watch])
    kill(started.pid)
    await sandbox.expectNothingLeft(20_000)
    expect(await watchesOf(started.pid)).toEqual([])
  })

  test('stays while the client lives, also when its servers have ended', async ({ sandbox }) => {
    writeServer(sandbox, { command: 'true', args: [] })
    const started = await sandbox.launch(executable, ['it'], { env: sandbox.envWithManager(), prefix: client(1) })
    await waitFor(async () => (await watchesOf(started.pid)).length === 1, { what: 'the watch' })
    await waitFor(async () => (await scopes()).length === 0, { what: 'the end of the server' })
    expect(await watchesOf(started.pid)).toHaveLength(1)
    kill(started.pid)
    await waitFor(async () => (await watchesOf(started.pid)).length === 0, { what: 'the end of the watch' })
  })
})
