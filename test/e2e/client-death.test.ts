import { rmSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { CLIENT_PROGRAMS, type Compiled, compileClients } from './clients/clients.ts'
import { allReady, expectAllGone, NASTY, type NastyName, watchesOf, writeNasty } from './clients/nasty.ts'
import { type Artefact, artefacts, executable } from './harness/artefacts.ts'
import { cgroupOf } from './harness/cgroup.ts'
import type { Launched } from './harness/launched.ts'
import { kill } from './harness/processes.ts'
import { noLimits, noManager, userManager } from './harness/provided.ts'
import { type Sandbox, test } from './harness/sandbox.ts'
import { unitProperties } from './harness/units.ts'

const ALL = Object.keys(NASTY) as NastyName[]

let compiled: Compiled
let directory = ''

beforeAll(() => {
  const made = compileClients()
  compiled = made.compiled
  directory = made.directory
}, 200_000)

afterAll(() => rmSync(directory, { recursive: true, force: true }))

const KILLS = ['SIGTERM', 'SIGKILL', 'OOM'] as const

/** A client in a scope of its own, in which it may run out of memory. */
function limited(name: string): string[] {
  const limits = ['-p', 'MemoryMax=400M', '-p', 'MemorySwapMax=0']
  return [
    'systemd-run',
    '--user',
    '--scope',
    '--quiet',
    '--collect',
    `--unit=test-client-${name}.scope`,
    ...limits,
    '--',
  ]
}

async function end(client: Launched, by: (typeof KILLS)[number]): Promise<void> {
  if (by === 'OOM') client.stdin.write('eat\n')
  else kill(client.pid, by)
  const { signal } = await client.processEnded
  expect(signal).toBe(by === 'OOM' ? 'SIGKILL' : by)
}

function run(sandbox: Sandbox, argv: readonly string[], artefact: Artefact, names: readonly string[]) {
  return sandbox.run([...argv, ...artefact.argv, '--', ...names], { env: sandbox.envWithManager() })
}

describe.skipIf(noManager).each(CLIENT_PROGRAMS)('a client in $language, servers from $how', ({ language, how }) => {
  test.for(KILLS)('%s: nothing is left', async (by, { sandbox, skip }) => {
    const argv = compiled[language]
    if ('unavailable' in argv) return skip(argv.unavailable)
    if (by === 'OOM' && noLimits !== undefined) return skip(noLimits)
    const servers = writeNasty(sandbox, ALL)
    const scope = by === 'OOM' ? limited(servers.names[0] ?? '') : []
    const client = await run(sandbox, [...scope, ...argv, how], executable, servers.names)
    await allReady(client, ALL.length)
    expect(await servers.units()).toHaveLength(ALL.length)
    expect(await watchesOf(client.pid)).toHaveLength(1)
    const group = by === 'OOM' ? cgroupOf(client.pid) : undefined
    expect(group?.memoryMax() ?? 0).toBeLessThan(Number.POSITIVE_INFINITY)
    await end(client, by)
    await expectAllGone(sandbox, servers, client.pid)
  })
})

describe.skipIf(noManager).each(artefacts)('a client that is killed, $name', (artefact) => {
  test.for(ALL)('server "%s"', async (name, { sandbox }) => {
    const servers = writeNasty(sandbox, [name], { deathSignal: 'off' })
    const client = await run(sandbox, [...(compiled.Node as string[]), 'main'], artefact, servers.names)
    await allReady(client, 1)
    const [unit = ''] = await servers.units()
    const [watch] = await watchesOf(client.pid)
    expect(await unitProperties(userManager(), unit)).toMatchObject({ BindsTo: watch, TimeoutStopUSec: '1s' })
    await end(client, 'SIGKILL')
    await expectAllGone(sandbox, servers, client.pid)
  })
})
