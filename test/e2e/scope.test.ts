import { chmodSync, mkdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect } from 'vitest'
import { artefacts, executable } from './harness/artefacts.ts'
import { cgroupOf } from './harness/cgroup.ts'
import { withoutManager } from './harness/no-manager.ts'
import { outcome } from './harness/outcome.ts'
import { isAlive, kill } from './harness/processes.ts'
import { noLimits, noManager } from './harness/provided.ts'
import { type Sandbox, test } from './harness/sandbox.ts'
import { type Report, reportOf, server } from './harness/servers.ts'
import { waitFor } from './harness/wait-for.ts'

const SIGTERM = 15
const SIGKILL = 9

/** A registry with one server, `it`. */
function writeServer(sandbox: Sandbox, entry: object): void {
  sandbox.writeRegistry({ servers: { it: entry } })
}

function isInScope({ pid, cgroup }: Report): boolean {
  return cgroup.join('\n').includes(`mcp-it-${pid}.scope`)
}

/** Stays when its child is killed, and for a while when systemd asks it to go, so that the cgroup can be read. */
const SURVIVOR = 'trap "" TERM; "$@"; echo "it ended with $?"; read -r line'

describe.skipIf(noLimits).each(artefacts)('limits, $name', (artefact) => {
  test('a server over memoryMax is killed', async ({ sandbox }) => {
    const { command, args } = server('memory-hog', '500')
    writeServer(sandbox, {
      command: 'sh',
      args: ['-c', SURVIVOR, 'sh', command, ...args],
      limits: { memoryMax: '64M', memorySwapMax: '0' },
      stopTimeout: '60s',
    })
    const launched = await sandbox.launch(artefact, ['it'], { env: sandbox.envWithManager() })
    expect(await launched.firstLine()).toBe('it ended with 137')
    const cgroup = cgroupOf(launched.pid)
    expect(cgroup.memoryMax()).toBe(64 * 1024 * 1024)
    expect(cgroup.oomKills()).toBe(1)
  })

  test('tasksMax stops a fork bomb of 50', async ({ sandbox }) => {
    writeServer(sandbox, { ...server('fork-bomb'), limits: { tasksMax: 20 } })
    const launched = await sandbox.launch(artefact, ['it'], { env: sandbox.envWithManager() })
    expect(await launched.firstLine()).toBe('19 of 50')
    const cgroup = cgroupOf(launched.pid)
    expect(cgroup.tasksMax()).toBe(20)
    expect(cgroup.tasksRefused()).toBe(31)
    expect(await outcome(launched)).toMatchObject({ code: 0, stderr: '' })
    await sandbox.expectNothingLeft()
  })

  test('cpuQuota is the cgroup’s, and what isn’t limited is not', async ({ sandbox }) => {
    writeServer(sandbox, { ...server('report'), limits: { cpuQuota: '50%' } })
    const launched = await sandbox.launch(artefact, ['it'], { env: sandbox.envWithManager() })
    await reportOf(launched)
    const cgroup = cgroupOf(launched.pid)
    expect(cgroup.cpuQuota()).toBe(0.5)
    expect(cgroup.memoryMax()).toBe(Number.POSITIVE_INFINITY)
  })
})

describe.each(artefacts)('without a user manager, $name', (artefact) => {
  test('scope: require refuses', async ({ sandbox, skip }) => {
    const nowhere = withoutManager()
    if ('unavailable' in nowhere) return skip(nowhere.unavailable)
    writeServer(sandbox, { ...server('report'), scope: 'require' })
    const { stderr, ...end } = await outcome(await sandbox.launch(artefact, ['it'], nowhere))
    expect(end).toEqual({ code: 1, signal: null, stdout: '' })
    expect(stderr).toMatch(
      /^mcp-launch: error: can't give a scope to server "it": no (user manager|runtime directory) /,
    )
  })

  test('scope: auto starts the server directly', async ({ sandbox, skip }) => {
    const nowhere = withoutManager()
    if ('unavailable' in nowhere) return skip(nowhere.unavailable)
    writeServer(sandbox, { ...server('report'), limits: { memoryMax: '1G' } })
    const launched = await sandbox.launch(artefact, ['it'], nowhere)
    const report = await reportOf(launched)
    expect(report.pid).toBe(launched.pid)
    expect(isInScope(report)).toBe(false)
    expect(await outcome(launched)).toMatchObject({ code: 0, stderr: '' })
  })

  test('a manager that died and left its socket is no manager', async ({ sandbox, skip }) => {
    const nowhere = withoutManager()
    if ('unavailable' in nowhere) return skip(nowhere.unavailable)
    writeServer(sandbox, server('report'))
    const runtimeDir = join(sandbox.home, 'run')
    mkdirSync(join(runtimeDir, 'systemd'), { recursive: true, mode: 0o700 })
    const bindAndEnd = 'socket(S, PF_UNIX, SOCK_STREAM, 0) && bind(S, sockaddr_un($ARGV[0])) or die $!'
    const socket = join(runtimeDir, 'systemd', 'private')
    expect(await outcome(await sandbox.run(['perl', '-MSocket', '-e', bindAndEnd, socket]))).toMatchObject({ code: 0 })
    expect(statSync(socket).isSocket()).toBe(true)
    const env = { XDG_RUNTIME_DIR: runtimeDir }
    const launched = await sandbox.launch(artefact, ['it'], { ...nowhere, env })
    const report = await reportOf(launched)
    expect(report.pid).toBe(launched.pid)
    expect(isInScope(report)).toBe(false)
    expect(await outcome(launched)).toMatchObject({ code: 0, stderr: '' })
  })
})

describe.skipIf(noManager).each(artefacts)('inheritEnv: minimal, $name', (artefact) => {
  test('still lets systemd-run find the manager', async ({ sandbox }) => {
    writeServer(sandbox, { ...server('report'), inheritEnv: 'minimal' })
    const launched = await sandbox.launch(artefact, ['it'], { env: sandbox.envWithManager() })
    expect(isInScope(await reportOf(launched))).toBe(true)
    expect(await outcome(launched)).toMatchObject({ code: 0, stderr: '' })
  })

  test('a registry that hides the manager from it is told so before', async ({ sandbox }) => {
    writeServer(sandbox, { ...server('report'), env: { XDG_RUNTIME_DIR: '/elsewhere' } })
    const { code, stderr } = await outcome(await sandbox.launch(artefact, ['it'], { env: sandbox.envWithManager() }))
    expect(code).toBe(1)
    expect(stderr).toContain('it sets XDG_RUNTIME_DIR, by which systemd is found')
  })
})

describe.skipIf(noManager).each(artefacts)('scope: off beside a user manager, $name', (artefact) => {
  test('starts the server directly', async ({ sandbox }) => {
    writeServer(sandbox, { ...server('report'), scope: 'off' })
    const launched = await sandbox.launch(artefact, ['it'], { env: sandbox.envWithManager() })
    expect(isInScope(await reportOf(launched))).toBe(false)
  })
})

describe.each(artefacts)('the death signal, $name', (artefact) => {
  test.for([
    { deathSignal: 'auto', signal: SIGTERM },
    { deathSignal: 'KILL', signal: SIGKILL },
    { deathSignal: 'off', signal: 0 },
  ])('deathSignal: $deathSignal', async ({ deathSignal, signal }, { sandbox }) => {
    writeServer(sandbox, { ...server('report'), deathSignal })
    const launched = await sandbox.launch(artefact, ['it'], { env: sandbox.envWithManager() })
    expect((await reportOf(launched)).deathSignal).toBe(signal)
  })

  test('ends the server with a client that is killed', async ({ sandbox }) => {
    writeServer(sandbox, server('wait-signal'))
    const script = '"$@" & echo "$!"; wait'
    const env = sandbox.envWithManager()
    const client = await sandbox.run(['sh', '-c', script, 'sh', ...artefact.argv, 'it'], { env })
    const lines = await waitFor(() => linesOf(client.stdout()), { what: 'the server to be ready' })
    const pid = Number(lines.find((line) => line !== 'ready'))
    expect(isAlive(pid)).toBe(true)
    kill(client.pid)
    await waitFor(() => !isAlive(pid), { what: 'the end of the server' })
    await sandbox.expectNothingLeft()
  })

  test('is left out if a thread of the client’s started the launcher', async ({ sandbox, skip }) => {
    if ((await outcome(await sandbox.run(['sh', '-c', 'command -v python3']))).code !== 0) {
      return skip('no python3 on the PATH')
    }
    writeServer(sandbox, server('report'))
    const launch = 'import subprocess, sys, threading\ndef launch(): subprocess.Popen(sys.argv[1:]).wait()\n'
    const fromThread = `${launch}thread = threading.Thread(target=launch)\nthread.start()\nthread.join()`
    const fromMain = `${launch}launch()`
    const signals: (number | null)[] = []
    for (const script of [fromThread, fromMain]) {
      // The server has its stdin and stdout from the client.
      const client = await sandbox.run(['python3', '-c', script, ...artefact.argv, 'it'])
      const report = await reportOf(client)
      expect(report.ppid).toBe(client.pid)
      signals.push(report.deathSignal)
      expect(await outcome(client)).toMatchObject({ code: 0, stderr: '' })
    }
    expect(signals).toEqual([0, SIGTERM])
  })
})

function linesOf(stdout: Buffer): string[] | false {
  const lines = stdout.toString().split('\n').filter(Boolean)
  return lines.length === 2 && lines
}

describe.each(artefacts)('what was tried is remembered, $name', (artefact) => {
  async function launchIt(sandbox: Sandbox, env: Record<string, string> = {}): Promise<Report> {
    const launched = await sandbox.launch(artefact, ['it'], { env: sandbox.envWithManager(env) })
    const report = await reportOf(launched)
    expect(await outcome(launched)).toMatchObject({ code: 0, stderr: '' })
    return report
  }

  test('a second launch tries nothing', async ({ sandbox }) => {
    writeServer(sandbox, server('report'))
    await launchIt(sandbox)
    const host = join(sandbox.cacheDir, 'host.json')
    const before = statSync(host)
    expect(before.mode & 0o777).toBe(0o600)
    expect(isInScope(await launchIt(sandbox))).toBe(noManager === undefined)
    const after = statSync(host)
    expect([after.ino, after.mtimeMs]).toEqual([before.ino, before.mtimeMs])
  })

  test.for(['', '{', '[]', 'null', '{"a":1}', '\0\0\0'])('damage is mended: %j', async (damage, { sandbox }) => {
    writeServer(sandbox, server('report'))
    await launchIt(sandbox)
    const host = join(sandbox.cacheDir, 'host.json')
    const whole = JSON.parse(readFileSync(host, 'utf8'))
    sandbox.writeFile(host, damage)
    expect(isInScope(await launchIt(sandbox))).toBe(noManager === undefined)
    expect(JSON.parse(readFileSync(host, 'utf8'))).toMatchObject(whole)
  })

  test('a cache that can’t be written is done without', async ({ sandbox }) => {
    writeServer(sandbox, server('report'))
    const file = sandbox.writeFile('a-file', '')
    mkdirSync(join(sandbox.home, 'read-only'))
    chmodSync(join(sandbox.home, 'read-only'), 0o500)
    for (const XDG_CACHE_HOME of [file, '/proc/no-such-directory', '/sys', join(sandbox.home, 'read-only')]) {
      expect(isInScope(await launchIt(sandbox, { XDG_CACHE_HOME }))).toBe(noManager === undefined)
    }
  })
})

test.skipIf(noManager)('twenty launches at one moment all get their scopes', async ({ sandbox }) => {
  writeServer(sandbox, { ...server('report'), scope: 'require' })
  const env = sandbox.envWithManager()
  const launches = await Promise.all(Array.from({ length: 20 }, () => sandbox.launch(executable, ['it'], { env })))
  const reports = await Promise.all(launches.map(reportOf))
  expect(reports.every(isInScope)).toBe(true)
  expect(reports.map(({ pid }) => pid)).toEqual(launches.map(({ pid }) => pid))
  await Promise.all(launches.map((launched) => outcome(launched)))
  await sandbox.expectNothingLeft()
})
