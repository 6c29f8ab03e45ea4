import { describe, expect } from 'vitest'
import { programOf } from '../../src/proc.ts'
import { realWorld } from '../../src/real-world.ts'
import { type Artefact, artefacts, executable } from './harness/artefacts.ts'
import type { Launched } from './harness/launched.ts'
import { withoutManager } from './harness/no-manager.ts'
import { type Outcome, outcome } from './harness/outcome.ts'
import { isAlive, kill } from './harness/processes.ts'
import { noLimits, noManager, userManager } from './harness/provided.ts'
import { type Sandbox, test } from './harness/sandbox.ts'
import { server } from './harness/servers.ts'
import { systemctl } from './harness/units.ts'
import { waitFor } from './harness/wait-for.ts'

interface Row {
  readonly server: string
  readonly unit?: string
  readonly slice?: string
  readonly pid: number
  readonly client?: { readonly pid: number; readonly program?: string; readonly alive: boolean }
  readonly state: string
  readonly why?: string
  readonly idleMs?: number
  readonly ageMs: number
  readonly memory: { readonly used: number; readonly max?: number; readonly from: string }
  readonly tasks: { readonly used: number; readonly max?: number; readonly from: string }
  readonly superseded: readonly string[]
}

/** Ignores every polite request, and leaves a grandchild in a session of its own. */
const NASTY = 'trap "" TERM HUP INT; setsid sh -c "trap \'\' TERM; sleep 600" & echo "$$"; while :; do sleep 600; done'
const nasty = { command: 'sh', args: ['-c', NASTY], stopTimeout: '500ms' }

/** A client of two servers that stays until it is killed. */
const CLIENT = 'n=$1; shift; for i in $(seq "$n"); do "$@" & done; wait; sleep 600'
const client = (count: number) => ['sh', '-c', CLIENT, 'sh', String(count)]

/** A name that no other test's server has: all tests share one manager, and `ps` shows all that runs on it. */
function uniqueName(): string {
  return `t${process.pid}-${Math.random().toString(36).slice(2, 8)}`
}

async function mcpLaunch(sandbox: Sandbox, args: readonly string[], artefact: Artefact = executable): Promise<Outcome> {
  return outcome(await sandbox.launch(artefact, args, { env: sandbox.envWithManager() }))
}

/** The servers of this name that `ps` shows. */
async function running(sandbox: Sandbox, name: string, artefact?: Artefact): Promise<Row[]> {
  const { code, stdout, stderr } = await mcpLaunch(sandbox, ['ps', '--json'], artefact)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return (JSON.parse(stdout) as { servers: Row[] }).servers.filter((row) => row.server === name)
}

async function launchReady(sandbox: Sandbox, name: string, prefix: string[] = []): Promise<Launched> {
  const launched = await sandbox.launch(executable, [name], { env: sandbox.envWithManager(), prefix })
  await launched.firstLine()
  return launched
}

/** All lines, when there are so many. */
function lines(launched: Launched, count: number): Promise<string[]> {
  const all = () => launched.stdout().toString().split('\n').slice(0, -1)
  return waitFor(() => all().length >= count && all(), { what: `${count} lines`, limitMs: 30_000 })
}

describe.skipIf(noManager).each(artefacts)('ps, $name', (artefact) => {
  test('shows a server in its scope, for programs and for people', async ({ sandbox }) => {
    const name = uniqueName()
    const limits = { memoryMax: '64M', tasksMax: 20 }
    sandbox.writeRegistry({ servers: { [name]: { ...server('report'), limits, slice: 'mcp-others.slice' } } })
    const { pid } = await launchReady(sandbox, name)
    const [row, ...others] = await running(sandbox, name, artefact)
    expect(others).toEqual([])
    expect(row).toMatchObject({
      server: name,
      unit: `mcp-${name}-${pid}.scope`,
      slice: 'mcp-others.slice',
      pid,
      client: { pid: process.pid, program: programOf(realWorld(), process.pid), alive: true },
      state: 'serving',
      superseded: [],
    })
    expect(row?.memory.max).toBe(64 * 1024 * 1024)
    expect(row?.memory.used).toBeGreaterThan(100_000)
    expect(row?.tasks).toMatchObject({ used: 1, max: 20 })
    const { stdout } = await mcpLaunch(sandbox, ['ps'], artefact)
    const table = stdout.split('\n')
    expect(table.find((line) => line.startsWith(name))).toMatch(
      new RegExp(String.raw`^${name} +serving +${pid} +\S+ ${process.pid} +\d+ s +[\d.]+[KM]/64M +1/20$`),
    )
  })
})

describe.skipIf(noManager)('ps', () => {
  test.skipIf(noLimits)('counts the whole tree, as systemd does', async ({ sandbox }) => {
    const name = uniqueName()
    sandbox.writeRegistry({ servers: { [name]: nasty } })
    await launchReady(sandbox, name)
    const [row] = await waitFor(
      async () => {
        const rows = await running(sandbox, name)
        return rows[0]?.tasks.used === 4 && rows
      },
      { what: 'the shells and their sleeps' },
    )
    expect(row).toMatchObject({ memory: { from: 'cgroup' }, tasks: { from: 'cgroup' } })
  })

  test.skipIf(noLimits)('shows a limit of the slice if that is the smaller one', async ({ sandbox }) => {
    const name = uniqueName()
    const slice = `mcp-${name.replace('-', '')}.slice`
    sandbox.writeRegistry({ servers: { [name]: { ...server('report'), slice, limits: { tasksMax: 20 } } } })
    await launchReady(sandbox, name)
    expect((await running(sandbox, name))[0]?.tasks.max).toBe(20)
    await systemctl(userManager(), ['set-property', '--runtime', slice, 'TasksMax=17'])
    expect((await running(sandbox, name))[0]?.tasks.max).toBe(17)
  })

  test('shows a server without a scope, and all that it started', async ({ sandbox }) => {
    const name = uniqueName()
    sandbox.writeRegistry({ servers: { [name]: { ...nasty, scope: 'off' } } })
    const { pid } = await launchReady(sandbox, name)
    const [row] = await waitFor(
      async () => {
        const rows = await running(sandbox, name)
        return rows[0]?.tasks.used === 4 && rows
      },
      { what: 'the shells and their sleeps' },
    )
    expect(row).toMatchObject({ pid, client: { pid: process.pid, alive: true }, state: 'serving' })
    expect(row).toMatchObject({ memory: { from: 'processes' }, tasks: { from: 'processes' } })
    expect(row?.unit).toBeUndefined()
    expect(row?.memory.used).toBeGreaterThan(100_000)
  })

  test('shows 30 servers that were started at once', async ({ sandbox }) => {
    const name = uniqueName()
    sandbox.writeRegistry({ servers: { [name]: { ...server('wait-signal'), stopTimeout: '500ms' } } })
    const started = await launchReady(sandbox, name, client(30))
    await lines(started, 30)
    const rows = await running(sandbox, name)
    expect(new Set(rows.map(({ pid }) => pid)).size).toBe(30)
    expect(rows.every((row) => row.state === 'serving' && row.client?.pid === started.pid)).toBe(true)
    expect(await mcpLaunch(sandbox, ['stop', name])).toMatchObject({ code: 0, stderr: '' })
    expect(await running(sandbox, name)).toEqual([])
  })

  test('tells leftovers of a server that has ended', async ({ sandbox }) => {
    const name = uniqueName()
    sandbox.writeRegistry({ servers: { [name]: nasty } })
    // A client of its own: a launch of another test's would clean up behind this one.
    await lines(await launchReady(sandbox, name, client(1)), 1)
    const pid = (await running(sandbox, name))[0]?.pid as number
    kill(pid)
    const [row] = await waitFor(
      async () => {
        const rows = await running(sandbox, name)
        return rows[0]?.state !== 'serving' && rows
      },
      { what: 'the orphans' },
    )
    expect(row).toMatchObject({ pid, state: 'orphaned', client: { alive: true } })
    expect(row?.why).toMatch(/^the server itself has ended and left (a process|\d processes)$/)
  })

  test('tells how long a server has not been on a CPU', async ({ sandbox, skip }) => {
    const name = uniqueName()
    sandbox.writeRegistry({ servers: { [name]: server('echo-bytes') } })
    const launched = await sandbox.launch(executable, [name], { env: sandbox.envWithManager() })
    const ping = async (): Promise<void> => {
      const before = launched.stdout().length
      launched.stdin.write('ping\n')
      await waitFor(() => launched.stdout().length > before, { what: 'the echo' })
    }
    await ping()
    const idle = async (): Promise<number | undefined> => (await running(sandbox, name))[0]?.idleMs
    if ((await idle()) === undefined) return skip('this kernel has no /proc/PID/schedstat')
    await waitFor(async () => ((await idle()) ?? 0) > 1_000, { what: 'a second without work' })
    await ping()
    expect(await idle()).toBeLessThan(1_000)
  })

  test('needs no HOME to show the scopes', async ({ sandbox }) => {
    const name = uniqueName()
    sandbox.writeRegistry({ servers: { [name]: server('report') } })
    const { pid } = await launchReady(sandbox, name)
    const options = { env: sandbox.envWithManager(), prefix: ['env', '-u', 'HOME'] }
    const { code, stdout, stderr } = await outcome(await sandbox.launch(executable, ['ps'], options))
    expect(code).toBe(0)
    expect(stdout).toMatch(new RegExp(`^${name} +serving +${pid} `, 'm'))
    expect(stderr).toContain("note: servers without a scope can't be told from others: can't find the home directory")
  })

  test('names the secrets that have changed since', async ({ sandbox }) => {
    const name = uniqueName()
    const file = sandbox.writeFile('token', 'one')
    const secrets = { TOKEN: { command: ['cat', file] }, OTHER: { command: ['echo', 'same'] } }
    sandbox.writeRegistry({ servers: { [name]: { ...server('report'), secrets } } })
    await launchReady(sandbox, name)
    expect((await running(sandbox, name))[0]?.superseded).toEqual([])
    sandbox.writeFile('token', 'two')
    expect(await mcpLaunch(sandbox, ['secrets', 'refresh'])).toMatchObject({ code: 0 })
    expect((await running(sandbox, name))[0]?.superseded).toEqual(['TOKEN'])
    const { stdout } = await mcpLaunch(sandbox, ['ps'])
    expect(stdout).toContain('    ! restart to use the new value: TOKEN\n')
    expect(stdout).not.toMatch(/\b(one|two|same)\b/)
  })

  test('a registry that can’t be read hides no server', async ({ sandbox }) => {
    const name = uniqueName()
    sandbox.writeRegistry({ servers: { [name]: server('report') } })
    await launchReady(sandbox, name)
    sandbox.writeRegistry('servers: [')
    const { code, stdout, stderr } = await mcpLaunch(sandbox, ['ps'])
    expect(code).toBe(0)
    expect(stdout).toContain(name)
    expect(stderr).toMatch(/^mcp-launch: note: changed secrets can't be told: .*\n$/)
  })

  test('--watch --json prints a line per look, until nobody reads it', async ({ sandbox }) => {
    const name = uniqueName()
    sandbox.writeRegistry({ servers: { [name]: server('report') } })
    await launchReady(sandbox, name)
    const script = '{ "$@"; echo "ended with $?" >&2; } | head -n 2'
    const argv = ['sh', '-c', script, 'sh', ...executable.argv, 'ps', '--watch', '--json']
    const { stdout, stderr } = await outcome(await sandbox.run(argv, { env: sandbox.envWithManager() }))
    const looks = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { time: number; servers: Row[] })
    expect(looks).toHaveLength(2)
    expect(looks.every(({ servers }) => servers.some((row) => row.server === name))).toBe(true)
    expect(Math.abs((looks[1]?.time ?? 0) - (looks[0]?.time ?? 0) - 2_000)).toBeLessThan(1_500)
    expect(stderr).toBe('ended with 1\n')
  })

  test('--watch redraws a terminal, until Ctrl-C', async ({ sandbox, skip }) => {
    if ((await outcome(await sandbox.run(['sh', '-c', 'command -v script']))).code !== 0) return skip('no script')
    const name = uniqueName()
    sandbox.writeRegistry({ servers: { [name]: server('report') } })
    await launchReady(sandbox, name)
    const command = [...executable.argv, 'ps', '--watch'].join(' ')
    const watch = await sandbox.run(['script', '-qec', command, '/dev/null'], { env: sandbox.envWithManager() })
    await waitFor(() => watch.stdout().toString().split('\u001b[H\u001b[2J').length >= 3, { what: 'two frames' })
    expect(watch.stdout().toString()).toContain(name)
    expect(watch.stdout().toString()).not.toContain('\u001b[3J')
    watch.stdin.write('\u0003')
    expect((await watch.processEnded).code).toBe(130)
  })
})

describe('without a user manager', () => {
  test('there may be no server at all', async ({ sandbox, skip }) => {
    const nowhere = withoutManager()
    if ('unavailable' in nowhere) return skip(nowhere.unavailable)
    const empty = await outcome(await sandbox.launch(executable, ['ps'], nowhere))
    expect(empty).toMatchObject({ code: 0, stdout: 'no server is running\n' })
    expect(empty.stderr).toMatch(/^mcp-launch: note: scopes can't be seen \(no .*\): only the processes of the audit /)
  })

  test('ps shows and stop ends what the audit log tells', async ({ sandbox, skip }) => {
    const nowhere = withoutManager()
    if ('unavailable' in nowhere) return skip(nowhere.unavailable)
    sandbox.writeRegistry({ servers: { it: server('wait-signal') } })
    const launched = await sandbox.launch(executable, ['it'], nowhere)
    await launched.firstLine()
    const { stdout } = await outcome(await sandbox.launch(executable, ['ps'], nowhere))
    expect(stdout).toMatch(new RegExp(String.raw`\nit +serving +${launched.pid} `))
    expect(await outcome(await sandbox.launch(executable, ['stop', 'it'], nowhere))).toMatchObject({
      code: 0,
      stdout: `stopped it (pid ${launched.pid})\n`,
    })
    expect(await launched.exited).toEqual({ code: null, signal: 'SIGTERM' })
  })
})

describe.skipIf(noManager).each(artefacts)('stop, $name', (artefact) => {
  test('a server: every one of that name, with all that they started', async ({ sandbox }) => {
    const [name, other] = [uniqueName(), uniqueName()]
    sandbox.writeRegistry({ servers: { [name]: nasty, [other]: nasty } })
    const pids = [(await launchReady(sandbox, name)).pid, (await launchReady(sandbox, name)).pid]
    const stays = await launchReady(sandbox, other)
    const { code, stdout, stderr } = await mcpLaunch(sandbox, ['stop', name], artefact)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout.split('\n').sort()).toEqual(['', ...pids.map((pid) => `stopped mcp-${name}-${pid}.scope`)].sort())
    expect(isAlive(stays.pid)).toBe(true)
    expect(await mcpLaunch(sandbox, ['stop', `mcp-${other}-${stays.pid}.scope`, '--json'], artefact)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('"gone": true'),
    })
    await sandbox.expectNothingLeft(1_000)
  })
})

describe.skipIf(noManager)('stop', () => {
  test('a unit, of two of the same name', async ({ sandbox }) => {
    const name = uniqueName()
    sandbox.writeRegistry({ servers: { [name]: nasty } })
    const [first, second] = [await launchReady(sandbox, name), await launchReady(sandbox, name)]
    expect(await mcpLaunch(sandbox, ['stop', `mcp-${name}-${first.pid}.scope`])).toMatchObject({ code: 0 })
    expect([isAlive(first.pid), isAlive(second.pid)]).toEqual([false, true])
  })

  test('all of a client’s, and none of another’s', async ({ sandbox }) => {
    const [name, other] = [uniqueName(), uniqueName()]
    sandbox.writeRegistry({ servers: { [name]: nasty, [other]: { ...nasty, scope: 'off', deathSignal: 'off' } } })
    const one = await launchReady(sandbox, name, client(2))
    const two = await launchReady(sandbox, name, client(1))
    await lines(one, 2)
    const { code, stdout } = await mcpLaunch(sandbox, ['stop', '--client', String(one.pid)])
    expect({ code, stopped: stdout.trim().split('\n').length }).toEqual({ code: 0, stopped: 2 })
    expect((await running(sandbox, name)).map((row) => row.client?.pid)).toEqual([two.pid])
    expect(await mcpLaunch(sandbox, ['stop', other, '--client', String(two.pid)])).toMatchObject({ code: 1 })
    expect(isAlive(one.pid)).toBe(true)
  })

  test('a server without a scope that ignores SIGTERM', async ({ sandbox }) => {
    const name = uniqueName()
    const args = ['-c', 'trap "" TERM; echo ready; while :; do read -r line || sleep 1; done']
    sandbox.writeRegistry({ servers: { [name]: { command: 'sh', args, scope: 'off' } } })
    const launched = await launchReady(sandbox, name)
    expect(await mcpLaunch(sandbox, ['stop', name])).toMatchObject({ code: 0 })
    expect(await launched.processEnded).toEqual({ code: null, signal: 'SIGKILL' })
  })

  test('a server without a scope, with all that it started', async ({ sandbox }) => {
    const name = uniqueName()
    sandbox.writeRegistry({ servers: { [name]: { ...nasty, scope: 'off' } } })
    await launchReady(sandbox, name)
    await waitFor(async () => (await running(sandbox, name))[0]?.tasks.used === 4, { what: 'what it starts' })
    expect(await mcpLaunch(sandbox, ['stop', name])).toMatchObject({ code: 0 })
    await sandbox.expectNothingLeft(1_000)
  })

  test('a suspended server', async ({ sandbox }) => {
    const name = uniqueName()
    sandbox.writeRegistry({ servers: { [name]: { ...server('wait-signal'), scope: 'off' } } })
    const launched = await launchReady(sandbox, name)
    kill(launched.pid, 'SIGSTOP')
    expect(await mcpLaunch(sandbox, ['stop', name])).toMatchObject({ code: 0 })
    expect(await launched.processEnded).toEqual({ code: null, signal: 'SIGTERM' })
  })

  test('nothing that isn’t ours', async ({ sandbox }) => {
    const name = uniqueName()
    const unit = `mcp-${name}-123.scope`
    const argv = ['systemd-run', '--user', '--scope', '--quiet', '--collect', `--unit=${unit}`, 'sh', '-c', 'echo; cat']
    const stranger = await sandbox.run(argv, { env: sandbox.envWithManager() })
    await stranger.firstLine()
    expect(await mcpLaunch(sandbox, ['stop', unit])).toEqual({
      code: 1,
      signal: null,
      stdout: '',
      stderr: `mcp-launch: error: won't stop "${unit}": it is no running server of mcp-launch\nmcp-launch: hint: mcp-launch ps shows what runs\n`,
    })
    expect(await mcpLaunch(sandbox, ['stop', name])).toMatchObject({ code: 1 })
    expect(isAlive(stranger.pid)).toBe(true)
  })

  test('a name that is nearly one', async ({ sandbox }) => {
    const name = uniqueName()
    sandbox.writeRegistry({ servers: { [name]: server('wait-signal') } })
    const launched = await launchReady(sandbox, name)
    const { code, stderr } = await mcpLaunch(sandbox, ['stop', `${name}x`])
    expect(code).toBe(1)
    expect(stderr).toBe(
      `mcp-launch: error: no server is running that is called "${name}x"\nmcp-launch: hint: did you mean "${name}"?\n`,
    )
    expect(isAlive(launched.pid)).toBe(true)
  })

  test.for([
    [['stop'], 'nothing to stop is named'],
    [['stop', '--client', 'x'], 'no pid "x"'],
    [['stop', '--client', '0'], 'no pid "0"'],
  ] as const)('%j', async ([args, message], { sandbox }) => {
    const { code, stderr } = await mcpLaunch(sandbox, args)
    expect(code).toBe(2)
    expect(stderr).toContain(`mcp-launch: error: ${message}\n`)
  })
})
