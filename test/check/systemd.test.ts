import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { sentence } from '../../src/check/finding.ts'
import { checkSystemd } from '../../src/check/systemd.ts'
import { parseRegistry } from '../../src/registry/load.ts'
import type { Finished, World } from '../../src/world.ts'
import { temporaryDirectory } from '../temporary.ts'
import { testWorld } from '../world.ts'

const ALL_HELD = 'memory.max 67112960\npids.max 77\ncpu.max 37000 100000\n'

/** A machine whose systemd-run makes every scope, and whose kernel holds these limits for them. */
function machine({
  limits = ALL_HELD,
  refuses = false,
  refusesWatch = false,
  platform = 'linux' as NodeJS.Platform,
}): World {
  const home = temporaryDirectory()
  const runtime = join(home, 'runtime')
  mkdirSync(join(runtime, 'systemd'), { recursive: true, mode: 0o700 })
  writeFileSync(join(runtime, 'systemd', 'private'), '')
  const real = testWorld()
  const run = (program: { args: readonly string[]; file: string }): Promise<Finished> => {
    const isScope = program.file.endsWith('systemd-run')
    const stdout = Buffer.from(isScope && program.args.includes('-s') ? limits : '')
    const isBound = program.args.some((word) => word.startsWith('BindsTo='))
    const failed = isScope && (refuses || (refusesWatch && isBound))
    return Promise.resolve({
      stdout,
      stderr: failed ? 'Failed to start transient scope unit: no' : '',
      end: { kind: 'exit', code: failed ? 1 : 0 },
    })
  }
  return {
    ...real,
    platform,
    env: { HOME: home, PATH: '/usr/bin:/bin', USER: 'u', XDG_RUNTIME_DIR: runtime },
    files: { ...real.files, isExecutable: (path) => path.startsWith('/usr/bin/') },
    processes: { ...real.processes, run },
  }
}

async function findings(world: World, options: object): Promise<string[]> {
  const json = JSON.stringify({ servers: { it: { command: 'true', ...options } } })
  const servers = [...parseRegistry(Buffer.from(json), '/r.json').servers.values()]
  const found: string[] = []
  await checkSystemd(world, servers, (finding) => {
    if (!finding.what.startsWith('user manager')) found.push(`${finding.severity} ${sentence(finding)}`)
  })
  return found
}

const LIMITS = { limits: { memoryMax: '1G', tasksMax: 100, cpuQuota: '50%' } }
const FINE = ['ok parent-death signal: it can be set', 'ok signals: env puts SIGPIPE and SIGXFSZ right']
const WATCH = 'ok client watch: scopes end with their client'
const SCOPE = 'scope in "mcp-servers.slice": for it with MemoryMax=1G CPUQuota=50% TasksMax=100'

test('all is well', async () => {
  const held = 'ok limits: the kernel holds them (memory, tasks, cpu)'
  expect(await findings(machine({}), LIMITS)).toEqual([`ok ${SCOPE}`, held, WATCH, ...FINE])
})

test.each([
  ['', 'memory, tasks, cpu'],
  ['pids.max 77\n', 'memory, cpu'],
  ['memory.max max\npids.max max\ncpu.max max 100000\n', 'memory, tasks, cpu'],
  // A container's own limits aren't the scope's.
  ['memory.max 1073741824\npids.max 77\ncpu.max 37000 100000\n', 'memory'],
])('limits that the kernel doesn’t hold: %j', async (limits, missing) => {
  const warning = `warning limits do nothing: the user manager has no controller for ${missing}`
  expect(await findings(machine({ limits }), LIMITS)).toEqual([`ok ${SCOPE}`, warning, WATCH, ...FINE])
})

test('no limits are asked for: nothing is said of them', async () => {
  expect(await findings(machine({ limits: '' }), {})).toEqual([
    'ok scope in "mcp-servers.slice": for it',
    WATCH,
    ...FINE,
  ])
})

test.each([
  ['auto', 'warning'],
  ['require', 'error'],
])('a scope that is refused, scope: %s', async (scope, severity) => {
  const why = 'for it: Failed to start transient scope unit: no'
  expect(await findings(machine({ refuses: true }), { scope })).toContain(
    `${severity} no scope in "mcp-servers.slice": ${why}`,
  )
})

test('a scope that can’t be bound to a watch', async () => {
  const why = 'scopes outlive a client that is killed: Failed to start transient scope unit: no'
  expect(await findings(machine({ refusesWatch: true }), {})).toEqual([
    'ok scope in "mcp-servers.slice": for it',
    `warning no client watch: ${why}`,
    ...FINE,
  ])
})

test('what launches remember of an earlier day of this machine isn’t believed', async () => {
  const world = machine({})
  expect(await findings(world, {})).toContain(WATCH)
  const refusing = machine({ refuses: true })
  const found = await findings({ ...refusing, env: world.env }, {})
  expect(found).toContainEqual(expect.stringMatching(/^warning no scope in "mcp-servers.slice"/))
})

test('macOS has none of it', async () => {
  const [one, ...more] = await findings(machine({ platform: 'darwin' }), {})
  expect(one).toMatch(/^note no scopes: darwin has no systemd/)
  expect(more).toEqual([])
})
