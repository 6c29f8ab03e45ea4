import { expect, test } from 'vitest'
import { cleanUpBehind } from '../../src/lifecycle/earlier-servers.ts'
import { realWorld } from '../../src/real-world.ts'
import type { Environment } from '../../src/world.ts'

const HOST = { runtimeDirectory: '/run/user/1000', parent: { pid: 10 } }
const WATCH = { unit: 'mcp-client-10-100.service' }
const file = (watch: string) => `[Unit]\nDescription=MCP server it\n[Unit]\nBindsTo=${watch}\n`
const OWN = file(WATCH.unit)

interface Started {
  readonly argv: readonly string[]
  readonly env: Environment
}

async function started(
  units: Readonly<Record<string, string>>,
  alive: readonly number[],
  how: { readonly watch?: typeof WATCH | { readonly why: string }; readonly read?: string[] } = {},
): Promise<Started[]> {
  const all: Started[] = []
  const real = realWorld()
  const world = {
    ...real,
    env: { HOME: '/home/u', XDG_STATE_HOME: '/state', OP_SERVICE_ACCOUNT_TOKEN: 'secret', NODE_OPTIONS: '-r x' },
    files: {
      ...real.files,
      list: () => Object.keys(units),
      read(path: string) {
        how.read?.push(path)
        return Buffer.from(units[path.replace('/run/user/1000/systemd/transient/', '')] ?? '')
      },
    },
    processes: {
      ...real.processes,
      self: ['/bin/mcp-launch'] as const,
      isAlive: (pid: number) => alive.includes(pid),
      startDetached(argv: readonly string[], env: Environment) {
        all.push({ argv, env })
        return Promise.resolve()
      },
    },
  }
  await cleanUpBehind(world, HOST, how.watch ?? WATCH)
  return all
}

test('gc is started for a scope of this client whose leader has ended, with nothing of the client’s own', async () => {
  expect(await started({ 'mcp-it-20.scope': OWN, 'mcp-it-21.scope': OWN }, [])).toEqual([
    {
      argv: ['/bin/mcp-launch', 'gc', '--of-client', '10'],
      env: { HOME: '/home/u', XDG_STATE_HOME: '/state', XDG_RUNTIME_DIR: '/run/user/1000' },
    },
  ])
})

test('and for nothing else', async () => {
  expect(await started({}, [])).toEqual([])
  expect(await started({ 'mcp-it-20.scope': OWN }, [20])).toEqual([])
  expect(await started({ 'mcp-it-20.scope': file('mcp-client-10-99.service') }, [])).toEqual([])
  expect(await started({ 'mcp-it-20.scope': file('mcp-client-10-1001.service') }, [])).toEqual([])
  expect(await started({ 'run-20.scope': OWN, 'mcp-client-10-100.service': OWN }, [])).toEqual([])
  expect(await started({ 'mcp-it-20.scope': OWN }, [], { watch: { why: 'no scope' } })).toEqual([])
})

test('of servers that run not even a file is read', async () => {
  const read: string[] = []
  await started({ 'mcp-it-20.scope': OWN, 'mcp-it-21.scope': OWN }, [20, 21], { read })
  expect(read).toEqual([])
})
