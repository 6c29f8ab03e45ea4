import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect } from 'vitest'
import { bindingTo, provideWatch, watchOf } from '../../src/lifecycle/client-watch.ts'
import { realWorld } from '../../src/real-world.ts'
import { countSystemdRun } from './clients/counted.ts'
import { allReady, expectAllGone, type NastyServers, watchesOf, writeNasty } from './clients/nasty.ts'
import { type Artefact, artefacts, executable } from './harness/artefacts.ts'
import type { Launched } from './harness/launched.ts'
import { withoutManager } from './harness/no-manager.ts'
import { outcome } from './harness/outcome.ts'
import { ownManager } from './harness/own-manager.ts'
import { isAlive, kill } from './harness/processes.ts'
import { noManager, userManager } from './harness/provided.ts'
import { type LaunchOptions, type Sandbox, test } from './harness/sandbox.ts'
import { server } from './harness/servers.ts'
import { listUnits, systemctl, unitProperties } from './harness/units.ts'
import { waitFor } from './harness/wait-for.ts'

const isRoot = process.getuid?.() === 0

/** For each line of input one more launch, of the servers that it names. */
const ON_DEMAND = 'while read -r line; do "$@" $line & done; exec sleep 600'

interface Client {
  readonly pid: number
  readonly servers: NastyServers
  /** Starts so many more servers, and waits for them. */
  launch(count?: number, name?: string): Promise<void>
  /** The one watch. */
  watch(): Promise<string>
  readonly process: Launched
}

async function startClient(
  sandbox: Sandbox,
  {
    artefact = executable,
    argv = (launch) => ['sh', '-c', ON_DEMAND, 'sh', ...launch],
    entry = {},
    ...options
  }: LaunchOptions & {
    readonly artefact?: Artefact
    readonly argv?: (launch: readonly string[]) => string[]
    readonly entry?: object
  } = {},
): Promise<Client> {
  const servers = writeNasty(sandbox, ['setsid'], { deathSignal: 'off', ...entry })
  const env = sandbox.envWithManager(options.env)
  const client = await sandbox.run([...(options.prefix ?? []), ...argv(artefact.argv)], { env })
  await waitFor(() => readFileSync(`/proc/${client.pid}/comm`, 'utf8') === 'sh\n', { what: 'the client' })
  let count = 0
  return {
    pid: client.pid,
    servers,
    process: client,
    async launch(more = 1, name = servers.names[0] ?? '') {
      client.stdin.write(`${name}\n`.repeat(more))
      count += more
      await allReady(client, count)
    },
    async watch() {
      const [watch = '', ...others] = await watchesOf(client.pid)
      expect(others).toEqual([])
      expect(watch).toContain(`@${client.pid}-${startOf(client.pid)}.service`)
      return watch
    },
  }
}

function startOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ')[19])
}

/** What each scope of its servers is bound to, at one moment. */
async function boundTo({ servers }: Client): Promise<string[]> {
  const shown = await systemctl(userManager(), ['show', '--property=BindsTo', `mcp-${servers.names[0]}*.scope`])
  return [...shown.matchAll(/^BindsTo=(.*)$/gm)].map(([, watch = '']) => watch)
}

async function end(sandbox: Sandbox, { pid, servers }: Client): Promise<void> {
  kill(pid)
  await expectAllGone(sandbox, servers, pid)
}

async function watcherOf(client: Client): Promise<number> {
  return Number((await unitProperties(userManager(), await client.watch()))['MainPID'])
}

/** The last launch in the audit log. */
function lastLaunch(sandbox: Sandbox): Record<string, unknown> {
  const lines = readFileSync(join(sandbox.stateDir, 'audit.jsonl'), 'utf8').trim().split('\n')
  return JSON.parse(lines.findLast((line) => line.includes('"event":"launch"')) ?? '{}')
}

describe.skipIf(noManager).each(artefacts)('the watch of a client, $name', (artefact) => {
  test('is started by its first server and shared by all', async ({ sandbox }) => {
    const client = await startClient(sandbox, { artefact })
    await client.launch()
    const watcher = await watcherOf(client)
    const watch = await client.watch()
    expect(lastLaunch(sandbox)).toMatchObject({ bound: watch })
    await client.launch(3)
    expect(await watcherOf(client)).toBe(watcher)
    expect(await boundTo(client)).toEqual(Array.from({ length: 4 }, () => watch))
    expect(client.process.stderr()).toBe('')
    await end(sandbox, client)
  })
})

describe.skipIf(noManager || !isRoot)('systemd-run is called', () => {
  test('once a server, also for 20 first ones at one moment', async ({ sandbox }) => {
    const counted = countSystemdRun(sandbox)
    const client = await startClient(sandbox, { prefix: counted.prefix })
    await client.launch(20)
    expect(counted.units().toSorted()).toEqual((await client.servers.units()).toSorted())
    expect(new Set(await boundTo(client))).toEqual(new Set([await client.watch()]))
    await client.launch(2)
    expect(counted.units()).toHaveLength(22)
    await end(sandbox, client)
  })
})

describe.skipIf(noManager)('the watch of a client', () => {
  test('stays while the client lives, also when its servers have ended', async ({ sandbox }) => {
    const client = await startClient(sandbox)
    await client.launch()
    const watcher = await watcherOf(client)
    for (const unit of await client.servers.units()) await systemctl(userManager(), ['stop', unit])
    expect(await client.servers.units()).toEqual([])
    await client.launch()
    expect(await watcherOf(client)).toBe(watcher)
    await end(sandbox, client)
  })

  test('takes its servers along when the user stops it; the next launch starts it anew', async ({ sandbox }) => {
    const client = await startClient(sandbox)
    await client.launch(2)
    const watcher = await watcherOf(client)
    await systemctl(userManager(), ['stop', await client.watch()])
    await expectAllGoneBut(sandbox, client)
    await client.launch()
    expect(await watcherOf(client)).not.toBe(watcher)
    expect(await boundTo(client)).toEqual([await client.watch()])
    await end(sandbox, client)
  })

  test('takes its servers along when its shell is killed; the next launch starts it anew', async ({ sandbox }) => {
    const client = await startClient(sandbox)
    await client.launch(2)
    kill(await watcherOf(client))
    await expectAllGoneBut(sandbox, client)
    await client.launch()
    expect(await boundTo(client)).toEqual([await client.watch()])
    await end(sandbox, client)
  })

  test('lives on when what it waits with is killed', async ({ sandbox }) => {
    const client = await startClient(sandbox)
    await client.launch()
    const watcher = await watcherOf(client)
    const waiting = () => processesIn(client.pid, watcher)
    for (let round = 0; round < 2; round += 1) {
      await waitFor(() => waiting().length > 0, { what: 'what it waits with' })
      const killed = waiting()
      for (const pid of killed) kill(pid)
      await waitFor(() => waiting().some((pid) => !killed.includes(pid)), { what: 'the next' })
    }
    expect(await watcherOf(client)).toBe(watcher)
    expect(await client.servers.units()).toHaveLength(1)
    await end(sandbox, client)
  })

  test('is in a slice of its own: what happens to that of the first server is nothing to the second', async ({
    sandbox,
  }) => {
    const client = await startClient(sandbox, { entry: { slice: `test-${process.pid}-first.slice` } })
    await client.launch()
    const [first = ''] = client.servers.names
    const second = `${first}-second`
    const entry = JSON.parse(readFileSync(sandbox.registry, 'utf8')).servers[first]
    sandbox.writeRegistry({ servers: { [first]: entry, [second]: { ...entry, slice: 'mcp-servers.slice' } } })
    await client.launch(1, second)
    const watcher = await watcherOf(client)
    expect(await unitProperties(userManager(), await client.watch())).toMatchObject({ Slice: 'mcp-clients.slice' })
    await systemctl(userManager(), ['stop', `test-${process.pid}-first.slice`])
    expect(await client.servers.units()).toEqual([expect.stringContaining(second)])
    expect(await watcherOf(client)).toBe(watcher)
    await end(sandbox, client)
  })

  test('ends with a client that nobody reaps', async ({ sandbox }) => {
    const unreaped = (launch: readonly string[]) => {
      const script = `sh -c '"$@" & echo "$$"; exec sleep 600' sh "$@" & exec 3>&1; exec sleep 600`
      return ['sh', '-c', `read -r line; set -- "$@" "$line"; ${script}`, 'sh', ...launch]
    }
    const outer = await startClient(sandbox, { argv: unreaped })
    await outer.launch()
    const client = Number(/^\d+$/m.exec(outer.process.stdout().toString())?.[0])
    const [watch = ''] = await watchesOf(client)
    expect((await boundTo(outer))[0]).toBe(watch)
    kill(client)
    await waitFor(() => readFileSync(`/proc/${client}/stat`, 'utf8').includes(') Z '), { what: 'a zombie' })
    await waitFor(async () => [...(await outer.servers.units()), ...(await watchesOf(client))].length === 0, {
      what: 'the end of the units',
    })
    expect(readFileSync(`/proc/${client}/stat`, 'utf8')).toContain(') Z ')
    await end(sandbox, outer)
  })

  test('ends at once for a pid that is another process by now, and leaves that alone', async ({ sandbox }) => {
    const stranger = await sandbox.run(['sleep', '600'])
    const unit = watchUnitOf(stranger.pid).replace(/-\d+\.service$/, `-${startOf(stranger.pid) - 1}.service`)
    const scope = ['--user', '--scope', '--quiet', '--collect', `--unit=mcp-try-${stranger.pid}.scope`]
    const properties = bindingTo({ unit }).flatMap((property) => ['-p', property])
    const run = await sandbox.run(['systemd-run', ...scope, ...properties, '--', 'sleep', '600'], {
      env: sandbox.envWithManager(),
    })
    expect((await outcome(run)).code).not.toBe(0)
    await waitFor(async () => (await watchesOf(stranger.pid)).length === 0, { what: 'the end of the watch' })
    expect(isAlive(stranger.pid)).toBe(true)
    kill(stranger.pid)
  })

  test.for([
    'with two  spaces',
    '100%n %h %% %',
    '$HOME $$ $(false) `false`',
    `"double" and 'single'`,
    'back\\slash \\n',
    ';#!~*?[a]',
  ])('the runtime directory is called %j', async (name, { sandbox }) => {
    const runtimeDir = join(sandbox.home, name)
    symlinkSync(userManager().runtimeDir, runtimeDir)
    const client = await startClient(sandbox, { env: { XDG_RUNTIME_DIR: runtimeDir } })
    await client.launch(2)
    expect(await boundTo(client)).toEqual([await client.watch(), await client.watch()])
    expect(client.process.stderr()).toBe('')
    await end(sandbox, client)
  })

  // systemd 252 may forget what a scope is bound to if its watch is stopped by hand at the moment of its start: the
  // parent-death signal is the layer that is left.
  test('stopped at any moment of a launch: nothing outlives the client all the same', async ({ sandbox }) => {
    const entry = { command: 'sh', args: ['-c', 'exec sleep 600'], deathSignal: 'auto' }
    const client = await startClient(sandbox, { entry })
    await client.launch(0)
    const [name] = client.servers.names
    const watch = watchUnitOf(client.pid)
    for (let round = 0; round < 40; round += 1) {
      client.process.stdin.write(`${name}\n`)
      await pause(3 + round)
      await systemctl(userManager(), ['stop', watch])
    }
    await end(sandbox, client)
  })
})

/** The watch of a process, and its file where the manager looks. */
function watchUnitOf(pid: number): string {
  const host = {
    runtimeDirectory: userManager().runtimeDir,
    manager: { listening: true },
    tools: { tail: '/usr/bin/tail' },
  }
  const watch = watchOf(realWorld(), provideWatch(realWorld(), host), pid)
  if ('why' in watch) throw new Error(watch.why)
  return watch.unit
}

/** The processes of the watch of a client, but for its shell. */
function processesIn(clientPid: number, watcher: number): number[] {
  const all = execFileSync('ps', ['-e', '-o', 'pid=,args='], { encoding: 'utf8' }).split('\n')
  return all
    .filter((line) => line.includes(`--pid=${clientPid} -s`))
    .map((line) => Number.parseInt(line, 10))
    .filter((pid) => pid !== watcher)
}

/** Waits until a process has ended, and takes its pid. */
const TAKE_PID = `
import os, sys, time
pid = int(sys.argv[1])
while os.path.exists(f"/proc/{pid}"): pass
for attempt in range(1000):
    with open("/proc/sys/kernel/ns_last_pid", "w") as last: last.write(str(pid - 1))
    child = os.fork()
    if child == 0: os._exit(0) if os.getpid() != pid else time.sleep(600)
    if child == pid: break
    os.waitpid(child, 0)
print("taken" if child == pid else "missed", flush=True)
time.sleep(600)
`

describe.skipIf(noManager || !isRoot)('a pid that is given out again at once', () => {
  test('is nobody’s client', async ({ sandbox, skip }) => {
    if (!existsSync('/usr/bin/python3')) return skip('no python3')
    const client = await startClient(sandbox)
    await client.launch()
    const taker = await sandbox.run(['/usr/bin/python3', '-c', TAKE_PID, String(client.pid)])
    kill(client.pid)
    if ((await taker.firstLine()) !== 'taken') return skip('another process took the pid')
    expect(isAlive(client.pid)).toBe(true)
    await waitFor(async () => [...(await client.servers.units()), ...(await watchesOf(client.pid))].length === 0, {
      what: 'the end of the units',
    })
    expect(isAlive(client.pid)).toBe(true)
  })
})

/** Waits until the client alone is there, with neither server nor watch. */
async function expectAllGoneBut(sandbox: Sandbox, { pid, servers }: Client): Promise<void> {
  await waitFor(async () => (await sandbox.leftovers()).every((left) => left.startsWith(`process ${pid}:`)), {
    what: 'the end of the servers',
  })
  await waitFor(async () => [...(await servers.units()), ...(await watchesOf(pid))].length === 0, {
    what: 'the end of the units',
  })
}

describe.skipIf(noManager || !isRoot)('on a manager of its own', () => {
  test('that is busy for seconds: the server is bound', async ({ sandbox }) => {
    const { manager, runtimeDir, pid } = await ownManager()
    const client = await startClient(sandbox, { env: { XDG_RUNTIME_DIR: runtimeDir } })
    await client.launch()
    const [name = ''] = client.servers.names
    const units = () => listUnits(manager, `mcp-${name}-*`)
    const second = await startClient(sandbox, { env: { XDG_RUNTIME_DIR: runtimeDir } })
    kill(pid, 'SIGSTOP')
    const launch = second.launch()
    await pause(6_500)
    kill(pid, 'SIGCONT')
    await launch
    const [unit = ''] = await listUnits(manager, `mcp-${second.servers.names[0]}-*`)
    expect((await unitProperties(manager, unit))['BindsTo']).toContain(`@${second.pid}-${startOf(second.pid)}.service`)
    for (const one of [client, second]) kill(one.pid)
    await sandbox.expectNothingLeft()
    expect([unit, ...(await units())]).toEqual([unit])
  })

  test.for(['ro,mode=700', 'size=4k,nr_inodes=1,mode=700', 'mode=700'])(
    'whose directory of units is covered (%s): the server starts, and it is told that it is not bound',
    async (options, { sandbox }) => {
      const { manager, runtimeDir } = await ownManager()
      const place = join(runtimeDir, 'systemd', 'user')
      const mount = `mkdir -p '${place}' && mount -t tmpfs -o ${options} tmpfs '${place}' && exec "$@"`
      const prefix = ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', mount, 'sh']
      const env = { XDG_RUNTIME_DIR: runtimeDir }
      const client = await startClient(sandbox, { prefix, env })
      await client.launch()
      const [name = ''] = client.servers.names
      const [unit = ''] = await listUnits(manager, `mcp-${name}-*`)
      expect(await unitProperties(manager, unit)).toMatchObject({ Id: unit, ActiveState: 'active' })
      expect(await unitProperties(manager, unit)).not.toHaveProperty('BindsTo')
      const why = options === 'mode=700' ? 'Unit mcp-client-\\S+ not found' : `can't write ${place}/mcp-client-`
      const note = new RegExp(
        `^mcp-launch: note: server "${name}" doesn't end with its client \\(pid ${client.pid}\\) if that is killed: .*${why}`,
        'm',
      )
      expect(client.process.stderr()).toMatch(note)
      expect(lastLaunch(sandbox)).toMatchObject({ unit, unbound: expect.stringMatching(why) })
      const explained = await outcome(await sandbox.run([...prefix, ...executable.argv, 'explain', name], { env }))
      expect(explained).toMatchObject({ code: 0, stderr: '' })
      expect(explained.stdout).toMatch(new RegExp(`are bound to no client: .*${why}`))
      kill(client.pid)
      await systemctl(manager, ['stop', unit])
      await sandbox.expectNothingLeft()
    },
  )
})

describe('what explain says of the life of a server', () => {
  const explain = async (sandbox: Sandbox, options: LaunchOptions) => {
    sandbox.writeRegistry({ servers: { it: server('report') } })
    return (await outcome(await sandbox.launch(executable, ['explain', 'it'], options))).stdout
  }

  test('without systemd: the death signal, and that there is no scope', async ({ sandbox, skip }) => {
    const nowhere = withoutManager()
    if ('unavailable' in nowhere) return skip(nowhere.unavailable)
    const said = await explain(sandbox, nowhere)
    expect(said).toMatch(/^ {2}\+ {2}setpriv +SIGTERM to the server when client \d+ ends$/m)
    expect(said).toMatch(
      /^ {2}- {2}systemd-run +left out: no (runtime directory|user manager) .+; no limits, and what the server starts may outlive the client, as may the server if it ignores the signal$/m,
    )
  })

  test('without systemd, from a thread: that nothing ends it', async ({ sandbox, skip }) => {
    const nowhere = withoutManager()
    if ('unavailable' in nowhere) return skip(nowhere.unavailable)
    if (!existsSync('/usr/bin/python3')) return skip('no python3')
    const thread = `import subprocess, sys, threading
thread = threading.Thread(target=lambda: subprocess.run(sys.argv[1:]))
thread.start()
thread.join()`
    const said = await explain(sandbox, { prefix: [...nowhere.prefix, '/usr/bin/python3', '-c', thread] })
    expect(said).toMatch(
      /^ {2}- {2}setpriv +left out: a thread of client \d+ started us, and its end would kill the server$/m,
    )
    expect(said).toMatch(
      /^ {2}- {2}systemd-run +left out: no (runtime directory|user manager) .+; no limits, and the server and what it starts may outlive the client$/m,
    )
  })

  test.skipIf(noManager)('with systemd: the unit it ends with', async ({ sandbox }) => {
    const said = await explain(sandbox, { env: sandbox.envWithManager() })
    const unit = watchUnitOf(process.pid)
    expect(said).toContain(`and end with client ${process.pid} (${unit})`)
  })
})
