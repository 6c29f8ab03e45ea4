import { mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { cleanUpBehind } from '../../src/lifecycle/earlier-servers.ts'
import type { Environment } from '../../src/world.ts'
import { temporaryDirectory } from '../temporary.ts'
import { testWorld } from '../world.ts'

/** Greater than any pid (proc(5), pid_max). */
const NOBODY = 4_194_305
const WATCH = { unit: 'mcp-client-0a1b2c3d@10-100.service', prefix: 'mcp-client-0a1b2c3d@' }
const file = (watch: string) => `[Unit]\nDescription=MCP server it\n[Unit]\nBindsTo=${watch}\n`
const OWN = file(WATCH.unit)

/** A runtime directory with these transient units, and what launches have started and read. */
function launcher(units: Readonly<Record<string, string>>) {
  const runtimeDirectory = temporaryDirectory()
  const transient = join(runtimeDirectory, 'systemd', 'transient')
  mkdirSync(transient, { recursive: true })
  for (const [name, content] of Object.entries(units)) writeFileSync(join(transient, name), content)
  const started: { readonly argv: readonly string[]; readonly env: Environment }[] = []
  const read: string[] = []
  const real = testWorld()
  const world = testWorld({
    env: { HOME: '/home/u', XDG_STATE_HOME: '/state', OP_SERVICE_ACCOUNT_TOKEN: 'secret', NODE_OPTIONS: '-r x' },
    files: {
      ...real.files,
      read(path: string) {
        read.push(path)
        return real.files.read(path)
      },
    },
    processes: {
      ...real.processes,
      self: ['/bin/mcp-launch'],
      startDetached(argv, env) {
        started.push({ argv, env })
        return Promise.resolve()
      },
    },
  })
  const launch = (inScope = true) =>
    cleanUpBehind(world, { runtimeDirectory, parent: { pid: process.pid } }, inScope ? WATCH : undefined)
  return { runtimeDirectory, started, read, launch }
}

async function count(units: Readonly<Record<string, string>>, inScope = true): Promise<number> {
  const { launch, started } = launcher(units)
  await launch(inScope)
  return started.length
}

test('gc is started for a scope of this client whose leader has ended, with nothing of the client’s own', async () => {
  const { launch, started, runtimeDirectory } = launcher({ [`mcp-it-${NOBODY}.scope`]: OWN, 'mcp-it-0.scope': OWN })
  await launch()
  expect(started).toEqual([
    {
      argv: ['/bin/mcp-launch', 'gc', '--of-client', String(process.pid)],
      env: { HOME: '/home/u', XDG_STATE_HOME: '/state', XDG_RUNTIME_DIR: runtimeDirectory },
    },
  ])
})

test('and for nothing else', async () => {
  expect(await count({})).toBe(0)
  expect(await count({ [`mcp-it-${process.pid}.scope`]: OWN })).toBe(0)
  expect(await count({ [`mcp-it-${NOBODY}.scope`]: file('mcp-client-10-99.service') })).toBe(0)
  expect(await count({ [`mcp-it-${NOBODY}.scope`]: file('mcp-client-10-1001.service') })).toBe(0)
  expect(await count({ [`run-${NOBODY}.scope`]: OWN, 'mcp-client-10-100.service': OWN })).toBe(0)
  expect(await count({ [`mcp-it-${NOBODY}.scope`]: OWN }, false)).toBe(0)
})

test('of servers that run not even a file is read', async () => {
  const { launch, read } = launcher({ [`mcp-it-${process.pid}.scope`]: OWN, [`mcp-it-${process.ppid}.scope`]: OWN })
  await launch()
  expect(read).toEqual([])
})

test('once for launches at the same moment, and again later', async () => {
  const { launch, started, runtimeDirectory } = launcher({ [`mcp-it-${NOBODY}.scope`]: OWN })
  await Promise.all(Array.from({ length: 30 }, () => launch()))
  expect(started).toHaveLength(1)
  const clients = join(runtimeDirectory, 'mcp-launch', 'clients')
  const [claim = '', ...others] = readdirSync(clients)
  expect(others).toEqual([])
  const start = readFileSync(`/proc/${process.pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ')[19]
  expect(claim).toBe(`${process.pid}.${start}.new`)
  utimesSync(join(clients, claim), new Date(), new Date(Date.now() - 2_000))
  await launch()
  expect(started).toHaveLength(2)
})
