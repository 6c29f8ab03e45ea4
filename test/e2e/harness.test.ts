import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import { describe, expect } from 'vitest'
import { cgroupOf } from './harness/cgroup.ts'
import { connect } from './harness/client.ts'
import { isAlive } from './harness/processes.ts'
import { noLimits, noManager, runtimes, userManager } from './harness/provided.ts'
import { Sandbox, test } from './harness/sandbox.ts'
import { givenDescriptors, ignoredSignals, reportOf, server } from './harness/servers.ts'
import { listUnits, unitProperties } from './harness/units.ts'
import { withManagerAtRunUser } from './harness/user-manager.ts'
import { waitFor } from './harness/wait-for.ts'

function argv(...program: Parameters<typeof server>): string[] {
  const { command, args } = server(...program)
  return [command, ...args]
}

/** `systemd-run --scope` under a name as the launcher's, which ends in the pid that it runs with. */
function inScope(name: string, properties: readonly string[], program: readonly string[]): string[] {
  const options = properties.flatMap((property) => ['-p', property])
  const script = `exec systemd-run --user --scope --quiet --collect --unit=mcp-${name}-$$.scope "$@"`
  return ['sh', '-c', script, 'sh', ...options, '--', ...program]
}

describe('waitFor', () => {
  test('says what it waited for, and why', async () => {
    const failing = (): never => {
      throw new Error('not a pony')
    }
    const waiting = waitFor(failing, { what: 'a pony', limitMs: 50 })
    await expect(waiting).rejects.toThrow('waited 50 ms in vain for a pony')
    await expect(waiting).rejects.toMatchObject({ cause: { message: 'not a pony' } })
  })

  test('returns the first answer that is one', async () => {
    const answers = ['', undefined, 'yes', 'later']
    expect(await waitFor(() => answers.shift(), { what: 'an answer' })).toBe('yes')
  })
})

describe('a sandbox', () => {
  test('gives six variables and a marker', async ({ sandbox }) => {
    const report = await reportOf(await sandbox.run(argv('report', 'a "b"', '')))
    expect(Object.keys(report.env).sort()).toEqual(
      ['HOME', 'LOGNAME', 'MCP_TEST_SANDBOX', 'PATH', 'SHELL', 'TERM', 'USER'].sort(),
    )
    expect(report.argv.slice(1)).toEqual(['a "b"', ''])
    expect(report.cwd).toBe(sandbox.home)
    expect(report.deathSignal).toBe(0)
    expect(ignoredSignals(report)).toEqual([])
  })

  test.for([
    { pipes: false, target: /^socket:/ },
    { pipes: true, target: /pipe-\d$/ },
  ])('hands over three descriptors that block: %o', async ({ pipes, target }, { sandbox }) => {
    const launched = await sandbox.run(argv('report'), { pipes })
    const descriptors = givenDescriptors(await reportOf(launched))
    expect(Object.keys(descriptors)).toEqual(['0', '1', '2'])
    for (const descriptor of Object.values(descriptors)) {
      expect(descriptor.target).toMatch(target)
      expect(Number.parseInt(descriptor.flags, 8) & 0o4000).toBe(0)
    }
    launched.stdin.end()
    expect(await launched.exited).toEqual({ code: 0, signal: null })
  })

  test.for([{ pipes: false }, { pipes: true }])('carries 50 MB: %o', async ({ pipes }, { sandbox }) => {
    const bytes = randomBytes(50_000_000)
    const launched = await sandbox.run(argv('echo-bytes'), { pipes })
    launched.stdin.end(bytes)
    expect(await launched.exited).toEqual({ code: 0, signal: null })
    expect(launched.stdout().equals(bytes)).toBe(true)
  })

  test('tells exit codes and signals apart', async ({ sandbox }) => {
    const exiting = await sandbox.run(argv('exit-with', '203'))
    expect(await exiting.exited).toEqual({ code: 203, signal: null })
    const waiting = await sandbox.run(argv('wait-signal'))
    expect(await waiting.firstLine()).toBe('ready')
    waiting.kill('SIGHUP')
    expect(await waiting.exited).toEqual({ code: null, signal: 'SIGHUP' })
  })

  test('knows when a program is not there', async ({ sandbox }) => {
    await expect(sandbox.run(['/no/such/program'])).rejects.toThrow('ENOENT')
  })

  test('finds what a test left, and ends it', async ({ onTestFinished }) => {
    const sandbox = new Sandbox()
    onTestFinished(() => sandbox.close())
    const stray = await sandbox.run(['setsid', '--fork', 'env', '-i', `HOME=${sandbox.home}`, 'sleep', '600'])
    await stray.processEnded
    const left = await waitFor(async () => (await sandbox.leftovers()).find(isSleep), { what: 'the stray process' })
    await expect(sandbox.expectNothingLeft(50)).rejects.toThrow(left)
    await sandbox.close()
    expect(isAlive(Number(/\d+/.exec(left)?.[0]))).toBe(false)
    expect(existsSync(sandbox.home)).toBe(false)
  })
})

function isSleep(leftover: string): boolean {
  return leftover.endsWith(': sleep 600')
}

describe('the real MCP client', () => {
  test('talks to a real server', async ({ sandbox }) => {
    const { command, args } = server('mcp-env')
    const connected = await connect({ command, args, env: sandbox.env({ TOKEN: 'abc' }) })
    const { pid, sha256 } = JSON.parse(await connected.call('env', { name: 'TOKEN' }))
    expect(pid).toBe(connected.pid)
    expect(sha256).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
    await connected.close()
    await sandbox.expectNothingLeft()
  })

  test('says what a server that fails said', async ({ sandbox }) => {
    const failing = connect({ command: 'sh', args: ['-c', 'echo ouch >&2'], env: sandbox.env() })
    await expect(failing).rejects.toThrow('ouch')
  })
})

describe.skipIf(noManager)('scopes in the user manager', () => {
  test.skipIf(noLimits)('keep the pid, and have the limits', async ({ sandbox }) => {
    const limits = ['MemoryMax=64M', 'TasksMax=20', 'CPUQuota=50%']
    const env = sandbox.envWithManager()
    const launched = await sandbox.run(inScope('limits', limits, argv('report')), { env })
    expect((await reportOf(launched)).pid).toBe(launched.pid)
    const cgroup = cgroupOf(launched.pid)
    expect(cgroup.memoryMax()).toBe(64 * 1024 * 1024)
    expect(cgroup.tasksMax()).toBe(20)
    expect(cgroup.cpuQuota()).toBe(0.5)
    expect(cgroup.processes()).toEqual([launched.pid])
    const unit = `mcp-limits-${launched.pid}.scope`
    expect(await sandbox.leftovers()).toContain(`unit ${unit}`)
    expect(await unitProperties(userManager(), unit)).toMatchObject({ ActiveState: 'active', TasksMax: '20' })
    launched.stdin.end()
    await launched.exited
    await sandbox.expectNothingLeft()
  })

  test.skipIf(noLimits)('kill what takes too much memory', async ({ sandbox }) => {
    // The shell stays, so that the cgroup can still be read when the hog is dead.
    const program = ['sh', '-c', '"$@"; echo "$?"; read -r line', 'sh', ...argv('memory-hog', '500')]
    const scope = inScope('hog', ['MemoryMax=64M', 'MemorySwapMax=0', 'OOMPolicy=continue'], program)
    const launched = await sandbox.run(scope, { env: sandbox.envWithManager() })
    expect(await launched.firstLine()).toBe('137')
    expect(cgroupOf(launched.pid).oomKills()).toBe(1)
  })

  test.skipIf(noLimits)('stop a fork bomb', async ({ sandbox }) => {
    const scope = inScope('forks', ['TasksMax=20'], argv('fork-bomb'))
    const launched = await sandbox.run(scope, { env: sandbox.envWithManager() })
    expect(await launched.firstLine()).toBe('19 of 50')
    expect(cgroupOf(launched.pid).tasksRefused()).toBe(31)
  })

  test('are ended with their sandbox, grandchildren in sessions of their own too', async ({ onTestFinished }) => {
    const sandbox = new Sandbox()
    onTestFinished(() => sandbox.close())
    const script = 'env -i setsid sleep 600 & echo ready; exec sleep 600'
    const launched = await sandbox.run(inScope('stray', [], ['sh', '-c', script]), { env: sandbox.envWithManager() })
    await launched.firstLine()
    const pids = await waitFor(() => both(cgroupOf(launched.pid).processes()), { what: 'two processes in the scope' })
    await sandbox.close()
    await waitFor(() => !pids.some(isAlive), { what: 'their end', limitMs: 1000 })
    expect(await listUnits(userManager(), 'mcp-stray-*')).toEqual([])
  })
})

function both(pids: number[]): number[] | false {
  return pids.length === 2 && pids
}

describe.skipIf(noManager)('withManagerAtRunUser', () => {
  test('puts the socket where it is looked for without XDG_RUNTIME_DIR', async ({ sandbox }) => {
    const before = readdirSync('/run/user')
    const place = `/run/user/${process.getuid?.()}`
    const script = `XDG_RUNTIME_DIR=${place} exec systemd-run --user --scope --quiet --collect "$@"`
    const program = ['sh', '-c', script, 'sh', ...argv('report')]
    const launched = await sandbox.run([...withManagerAtRunUser(userManager()), ...program])
    const report = await reportOf(launched)
    expect(report.pid).toBe(launched.pid)
    expect(report.cgroup.join()).toMatch(/\.scope\b/)
    expect(Object.keys(givenDescriptors(report))).toEqual(['0', '1', '2'])
    expect(readdirSync('/run/user')).toEqual(before)
  })
})

describe('other Node versions', () => {
  const { oldest, withoutExecve } = runtimes()

  test.for([
    { runtime: oldest, type: 'function' },
    { runtime: withoutExecve, type: 'undefined' },
  ])('execve is a $type', async ({ runtime, type }, { sandbox, skip }) => {
    if ('unavailable' in runtime) return skip(runtime.unavailable)
    const launched = await sandbox.run([runtime.node, '-p', 'typeof process.execve'])
    expect(await launched.firstLine()).toBe(type)
  })
})
