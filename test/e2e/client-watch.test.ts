import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect } from 'vitest'
import { watchArguments, watchUnit } from '../../src/lifecycle/client-watch.ts'
import { countSystemdRun } from './clients/counted.ts'
import { allReady, expectAllGone, type NastyServers, watchesOf, writeNasty } from './clients/nasty.ts'
import { type Artefact, artefacts, executable } from './harness/artefacts.ts'
import type { Launched } from './harness/launched.ts'
import { withoutManager } from './harness/no-manager.ts'
import { outcome } from './harness/outcome.ts'
import { isAlive, kill } from './harness/processes.ts'
import { noManager, userManager } from './harness/provided.ts'
import { type LaunchOptions, type Sandbox, test } from './harness/sandbox.ts'
import { server } from './harness/servers.ts'
import { systemctl, unitProperties } from './harness/units.ts'
import { waitFor } from './harness/wait-for.ts'

const isRoot = process.getuid?.() === 0

/** For each line of input one more launch. */
const ON_DEMAND = 'while read -r line; do "$@" & done; exec sleep 600'

interface Client {
  readonly pid: number
  readonly servers: NastyServers
  /** Starts so many more servers, and waits for them. */
  launch(count?: number): Promise<void>
  /** The one watch. */
  watch(): Promise<string>
  /** Where the launcher keeps the watcher's pid. */
  readonly marker: string
  readonly process: Launched
}

async function startClient(
  sandbox: Sandbox,
  { artefact = executable, ...options }: LaunchOptions & { readonly artefact?: Artefact } = {},
): Promise<Client> {
  const servers = writeNasty(sandbox, ['setsid'], { deathSignal: 'off' })
  const env = sandbox.envWithManager(options.env)
  const argv = ['sh', '-c', ON_DEMAND, 'sh', ...artefact.argv, ...servers.names]
  const client = await sandbox.run([...(options.prefix ?? []), ...argv], { env })
  await waitFor(() => readFileSync(`/proc/${client.pid}/comm`, 'utf8') === 'sh\n', { what: 'the client' })
  let count = 0
  return {
    pid: client.pid,
    servers,
    process: client,
    marker: join(userManager().runtimeDir, 'mcp-launch', 'clients', `${client.pid}.${startOf(client.pid)}`),
    async launch(more = 1) {
      client.stdin.write('\n'.repeat(more))
      count += more
      await allReady(client, count)
    },
    async watch() {
      const [watch = '', ...others] = await watchesOf(client.pid)
      expect(others).toEqual([])
      expect(watch).toBe(watchUnit(client.pid, startOf(client.pid)))
      return watch
    },
  }
}

function startOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ')[19])
}

async function boundTo({ servers }: Client): Promise<(string | undefined)[]> {
  const units = await servers.units()
  return Promise.all(units.map(async (unit) => (await unitProperties(userManager(), unit))['BindsTo']))
}

async function end(sandbox: Sandbox, { pid, servers, marker }: Client): Promise<void> {
  kill(pid)
  await expectAllGone(sandbox, servers, pid)
  expect([marker, `${marker}.lock`].filter((path) => existsSync(path))).toEqual([])
}

async function watcherOf(client: Client): Promise<number> {
  return Number((await unitProperties(userManager(), await client.watch()))['MainPID'])
}

describe.skipIf(noManager).each(artefacts)('the watch of a client, $name', (artefact) => {
  test('is made by its first server and shared by all', async ({ sandbox }) => {
    const client = await startClient(sandbox, { artefact })
    await client.launch()
    const watcher = await watcherOf(client)
    expect(readFileSync(client.marker, 'utf8').trim()).toBe(String(watcher))
    await client.launch(3)
    expect(await watcherOf(client)).toBe(watcher)
    expect(await boundTo(client)).toEqual(Array.from({ length: 4 }, () => watchUnit(client.pid, startOf(client.pid))))
    await end(sandbox, client)
  })
})

describe.skipIf(noManager || !isRoot)('systemd-run is called', () => {
  test('once more for a client’s first server, and never after', async ({ sandbox }) => {
    const counted = countSystemdRun(sandbox)
    const client = await startClient(sandbox, { prefix: counted.prefix })
    await client.launch()
    expect(counted.kinds()).toEqual(['watch', 'server'])
    await client.launch()
    await client.launch(5)
    expect(counted.kinds().slice(2)).toEqual(Array.from({ length: 6 }, () => 'server'))
    await end(sandbox, client)
  })

  test('once more for 20 first servers at one moment', async ({ sandbox }) => {
    const counted = countSystemdRun(sandbox)
    const client = await startClient(sandbox, { prefix: counted.prefix })
    await client.launch(20)
    expect(counted.kinds().toSorted()).toEqual([...Array.from({ length: 20 }, () => 'server'), 'watch'])
    expect(new Set(await boundTo(client))).toEqual(new Set([await client.watch()]))
    await end(sandbox, client)
  })

  test('once in vain if the marker was removed, and never after', async ({ sandbox }) => {
    const counted = countSystemdRun(sandbox)
    const client = await startClient(sandbox, { prefix: counted.prefix })
    await client.launch()
    rmSync(client.marker)
    await client.launch()
    await client.launch()
    expect(counted.kinds().slice(2)).toEqual(['watch', 'server', 'server'])
    expect(await boundTo(client)).toHaveLength(3)
    expect(new Set(await boundTo(client))).toEqual(new Set([await client.watch()]))
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

  test('takes its servers along when the user stops it; the next launch makes a new one', async ({ sandbox }) => {
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

  test('takes its servers along when its process is killed; the next launch makes a new one', async ({ sandbox }) => {
    const client = await startClient(sandbox)
    await client.launch(2)
    kill(await watcherOf(client))
    await expectAllGoneBut(sandbox, client)
    await client.launch()
    expect(await boundTo(client)).toEqual([await client.watch()])
    await end(sandbox, client)
  })

  test('is not believed in on the word of a marker', async ({ sandbox }) => {
    const client = await startClient(sandbox)
    const dead = await sandbox.run(['true'])
    await dead.exited
    // A stranger that does the same, but not in the unit.
    const stranger = await sandbox.run(['tail', `--pid=${client.pid}`, '-f', '/dev/null'])
    mkdirSync(join(client.marker, '..'), { recursive: true, mode: 0o700 })
    for (const pid of ['', 'nonsense', '0', '-1', '1', dead.pid, process.pid, stranger.pid]) {
      writeFileSync(client.marker, String(pid))
      await client.launch()
      expect(readFileSync(client.marker, 'utf8').trim()).toBe(String(await watcherOf(client)))
      expect(await boundTo(client)).toEqual([await client.watch()])
      await systemctl(userManager(), ['stop', await client.watch()])
      await waitFor(async () => (await client.servers.units()).length === 0, { what: 'the end of the servers' })
    }
    kill(stranger.pid)
    await end(sandbox, client)
  })

  test('ends at once for a pid that is another process by now, and leaves that alone', async ({ sandbox }) => {
    const stranger = await sandbox.run(['sleep', '600'])
    const input = {
      clientPid: stranger.pid,
      runtimeDirectory: userManager().runtimeDir,
      slice: 'mcp-servers.slice',
      tools: { 'systemd-run': '/usr/bin/systemd-run', tail: '/usr/bin/tail' },
    }
    const make = async (start: number) => {
      const marker = join(sandbox.home, `marker-${start}`)
      const unit = watchUnit(stranger.pid, start)
      const args = watchArguments(input, unit, marker, start)
      const run = await sandbox.run(['systemd-run', ...args], { env: sandbox.envWithManager() })
      expect(await outcome(run)).toMatchObject({ code: 0 })
      return { marker, unit }
    }
    const old = await make(startOf(stranger.pid) - 1)
    await waitFor(async () => !(await watchesOf(stranger.pid)).includes(old.unit), { what: 'the end of the watch' })
    expect(existsSync(old.marker)).toBe(false)
    const right = await make(startOf(stranger.pid))
    await waitFor(() => existsSync(right.marker), { what: 'the marker' })
    expect(await watchesOf(stranger.pid)).toEqual([right.unit])
    expect(isAlive(stranger.pid)).toBe(true)
    kill(stranger.pid)
    await waitFor(async () => (await watchesOf(stranger.pid)).length === 0, { what: 'the end of the watch' })
    expect(existsSync(right.marker)).toBe(false)
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
    await client.launch()
    expect(readFileSync(client.marker, 'utf8').trim()).toBe(String(await watcherOf(client)))
    await client.launch()
    expect(await boundTo(client)).toEqual([await client.watch(), await client.watch()])
    await end(sandbox, client)
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

describe.skipIf(noManager || !isRoot)('a runtime directory that can’t be written', () => {
  /** What stands in the place of the launcher's own directory there, for the client alone. */
  const covered = (options: string) => {
    const place = join(userManager().runtimeDir, 'mcp-launch')
    mkdirSync(place, { recursive: true, mode: 0o700 })
    const mount = `mount -t tmpfs -o ${options} tmpfs '${place}' && exec "$@"`
    return ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', mount, 'sh']
  }

  test.for(['ro,mode=700', 'size=4k,nr_inodes=1,mode=700', 'mode=700'])(
    '%s: servers are bound',
    async (options, { sandbox }) => {
      const client = await startClient(sandbox, { prefix: covered(options) })
      await client.launch()
      const watcher = await watcherOf(client)
      await client.launch()
      await client.launch(5)
      expect(await watcherOf(client)).toBe(watcher)
      expect(new Set(await boundTo(client))).toEqual(new Set([await client.watch()]))
      expect(await boundTo(client)).toHaveLength(7)
      const explain = [...covered(options), ...executable.argv, 'explain', ...client.servers.names]
      const explained = await outcome(await sandbox.run(explain, { env: sandbox.envWithManager() }))
      expect(explained).toMatchObject({ code: 0, stderr: '' })
      expect(explained.stdout).toContain(`and end with client ${process.pid} (mcp-client-${process.pid}-`)
      await end(sandbox, client)
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
    expect(said).toMatch(/^ {2}- {2}systemd-run +left out: no (runtime directory|user manager) .+$/m)
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
    expect(said).toMatch(/^ {2}- {2}systemd-run +left out: no (runtime directory|user manager) .+$/m)
  })

  test.skipIf(noManager)('with systemd: the unit it ends with', async ({ sandbox }) => {
    const said = await explain(sandbox, { env: sandbox.envWithManager() })
    const unit = watchUnit(process.pid, startOf(process.pid))
    expect(said).toContain(`and end with client ${process.pid} (${unit})`)
  })
})
