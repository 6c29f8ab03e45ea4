import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { LaunchError } from '../../src/errors.ts'
import { foreseeWatch, type WatchInput, watchArguments, watchClient } from '../../src/lifecycle/client-watch.ts'
import { realWorld } from '../../src/real-world.ts'
import type { Finished, World } from '../../src/world.ts'
import { testWorld } from '../world.ts'

const CLIENT = 42
const START = 7
const WATCHER = 99
const UNIT = 'mcp-client-42-7.service'
const MARKER = '/run/user/1000/mcp-launch/clients/42.7'

const INPUT: WatchInput = {
  clientPid: CLIENT,
  runtimeDirectory: '/run/user/1000',
  slice: 'mcp-servers.slice',
  tools: { 'systemd-run': '/usr/bin/systemd-run', tail: '/usr/bin/tail' },
}

const stat = (start: number) => `1 (a) b) S 1 2 3 ${'0 '.repeat(15)}${start} 0 0`
const client = { [`/proc/${CLIENT}/stat`]: stat(START) }
const watcher = {
  [`/proc/${WATCHER}/stat`]: stat(8),
  [`/proc/${WATCHER}/cgroup`]: `1:name=systemd:/a.slice/${UNIT}\n0::/a.slice/${UNIT}\n`,
  [`/proc/${WATCHER}/cmdline`]: `tail\0--pid=${CLIENT}\0-f\0/dev/null\0`,
}

type Contents = Record<string, string>

interface Machine {
  readonly world: World
  /** What is there now. */
  readonly contents: Contents
  /** How often `systemd-run` was run. */
  runs(): number
}

/** A machine of a few files, on which `systemd-run` does what it is told to do here. */
function machine(
  first: Contents,
  {
    systemdRun = () => '',
    parent = CLIENT,
    isReadOnly = false,
  }: {
    /** What it says on stderr; it fails if that isn't empty. */
    readonly systemdRun?: (contents: Contents) => string
    readonly parent?: number
    readonly isReadOnly?: boolean
  } = {},
): Machine {
  const contents = { ...first }
  let now = 0
  let runs = 0
  const failing = (code: string): never => {
    throw Object.assign(new Error(code), { code })
  }
  const write = (path: string, content: string) => {
    if (isReadOnly) failing('EROFS')
    contents[path] = content
  }
  const world = testWorld({
    platform: 'linux',
    pid: 1000,
    parentPid: () => parent,
    now: () => now,
    sleep(milliseconds) {
      now += milliseconds
      return Promise.resolve()
    },
    files: {
      ...realWorld().files,
      read: (path) => Buffer.from(contents[path] ?? failing('ENOENT')),
      lstat: () => undefined,
      list: (directory) =>
        directory === '/proc' ? ['self', ...Object.keys(contents).map((path) => path.split('/')[2] ?? '')] : [],
      makeDirectory: () => (isReadOnly ? failing('EROFS') : undefined),
      writeWhole: (path, content) => write(path, content.toString()),
      create: write,
      createWhole(path, content) {
        if (path in contents) failing('EEXIST')
        write(path, content.toString())
      },
      remove(path) {
        delete contents[path]
      },
    },
    processes: {
      ...realWorld().processes,
      run: (): Promise<Finished> => {
        runs += 1
        const stderr = systemdRun(contents)
        return Promise.resolve({
          stdout: Buffer.alloc(0),
          stderr,
          end: { kind: 'exit', code: stderr === '' ? 0 : 1 },
        })
      },
    },
  })
  return { world, contents, runs: () => runs }
}

function started(contents: Contents): string {
  Object.assign(contents, watcher, { [MARKER]: `${WATCHER}\n` })
  return ''
}

describe('watchClient', () => {
  test('a watch that runs is used', async () => {
    const there = machine({ ...client, ...watcher, [MARKER]: `${WATCHER}\n` })
    expect(await watchClient(there.world, INPUT)).toEqual({ unit: UNIT })
    expect(there.runs()).toBe(0)
  })

  test.for<{ what: string; contents: Contents }>([
    { what: 'nobody’s', contents: { [MARKER]: String(WATCHER) } },
    { what: 'a stranger’s', contents: { ...watcher, [MARKER]: '98', '/proc/98/stat': stat(1) } },
    { what: 'one outside the unit', contents: { ...watcher, [`/proc/${WATCHER}/cgroup`]: '0::/a.slice/b.service\n' } },
    { what: 'one of another client', contents: { ...watcher, [`/proc/${WATCHER}/cmdline`]: 'tail\0--pid=43\0' } },
    { what: 'a zombie', contents: { ...watcher, [`/proc/${WATCHER}/stat`]: stat(8).replace(' S ', ' Z ') } },
  ])('a marker with the pid of $what isn’t believed', async ({ contents }) => {
    const there = machine({ ...client, [MARKER]: String(WATCHER), ...contents }, { systemdRun: started })
    expect(await watchClient(there.world, INPUT)).toEqual({ unit: UNIT })
    expect(there.runs()).toBe(1)
    expect(there.contents).not.toHaveProperty([`${MARKER}.lock`])
  })

  test('a unit that is there without its marker is used, and marked again', async () => {
    const systemdRun = () => `Failed to start transient service unit: Unit ${UNIT} was already loaded.`
    const there = machine({ ...client, ...watcher }, { systemdRun })
    expect(await watchClient(there.world, INPUT)).toEqual({ unit: UNIT })
    expect(await watchClient(there.world, INPUT)).toEqual({ unit: UNIT })
    expect(there.runs()).toBe(1)
    expect(there.contents[MARKER]).toBe(String(WATCHER))
  })

  test('nothing that can be written is no reason not to watch', async () => {
    const systemdRun = (contents: Contents) => {
      Object.assign(contents, watcher)
      return ''
    }
    const there = machine(client, { systemdRun, isReadOnly: true })
    expect(await watchClient(there.world, INPUT)).toEqual({ unit: UNIT })
  })

  test('a systemd-run that fails is told, in its own words', async () => {
    const there = machine(client, { systemdRun: () => 'noise\nFailed to connect to bus: No such file\n' })
    expect(await watchClient(there.world, INPUT)).toEqual({ why: 'Failed to connect to bus: No such file' })
    expect(there.contents).not.toHaveProperty([`${MARKER}.lock`])
  })

  test('a watch that ends at once is none', async () => {
    expect(await watchClient(machine(client).world, INPUT)).toEqual({ why: 'the watch of the client ended at once' })
  })

  test('a lock that is never given back holds nobody up for ever', async () => {
    const nonce = '0'.repeat(24)
    const holder = JSON.stringify({ pid: 77, start: 5, nonce, since: 0, until: Number.MAX_SAFE_INTEGER })
    const held = { ...client, '/proc/77/stat': stat(5), [`${MARKER}.lock`]: holder }
    const there = machine(held, { systemdRun: started })
    expect(await watchClient(there.world, INPUT)).toEqual({ unit: UNIT })
    expect(there.contents[`${MARKER}.lock`]).toBe(holder)
  })

  test('a client that has ended gets no server, one that can’t be seen does', async () => {
    const ended = watchClient(machine({}, { parent: 1 }).world, INPUT)
    await expect(ended).rejects.toThrow(LaunchError)
    await expect(ended).rejects.toThrow('its client (pid 42) has ended')
    expect(await watchClient(machine({}).world, INPUT)).toEqual({ why: "client 42 has ended, or can't be seen" })
  })

  test('foreseeing it makes nothing', async () => {
    const there = machine(client)
    expect(await foreseeWatch(there.world, INPUT)).toEqual({ unit: UNIT })
    expect(await foreseeWatch(machine({}).world, INPUT)).toEqual({ why: "client 42 has ended, or can't be seen" })
    expect(there.runs()).toBe(0)
    expect(there.contents).toEqual(client)
  })
})

function startOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ')[19])
}

describe.skipIf(process.platform !== 'linux')('the watch’s script', () => {
  const own = process.pid
  const start = startOf(own)

  /** Runs it as the manager would, and returns what `tail` would have been told. */
  function run(clientPid: number, itsStart: number, marker = '/dev/null', tail = '/bin/echo'): string {
    const args = watchArguments({ ...INPUT, clientPid, tools: { ...INPUT.tools, tail } }, UNIT, marker, itsStart)
    const [shell = '', ...words] = args.slice(args.indexOf('--') + 1).map((word) => word.replaceAll('$$', '$'))
    return execFileSync(shell, words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  }

  test('watches the process of that pid and that start', () => {
    expect(run(own, start)).toBe(`--pid=${own} -s 0.5 -f /dev/null\n`)
  })

  test('ends at once for another start, or where there is no such process', () => {
    for (const other of [start + 1, start - 1, 0]) expect(run(own, other)).toBe('')
    expect(run(2 ** 22 + 1, start)).toBe('')
  })

  test('reads the start behind a name that is made to mislead', async () => {
    const script = `printf ') S 1 (x' > /proc/$$/comm; echo; read -r line`
    const child = spawn('sh', ['-c', script], { stdio: ['pipe', 'pipe', 'ignore'] })
    try {
      await once(child.stdout, 'data')
      const pid = child.pid ?? 0
      expect(readFileSync(`/proc/${pid}/comm`, 'utf8')).toBe(') S 1 (x\n')
      expect(run(pid, startOf(pid))).toContain(`--pid=${pid}`)
      expect(run(pid, startOf(pid) + 1)).toBe('')
    } finally {
      child.kill('SIGKILL')
    }
  })

  test('goes on where the marker can’t be written', () => {
    expect(run(own, start, '/nonexistent/directory/marker')).toContain(`--pid=${own}`)
  })
})

describe('quoting', () => {
  const odd = `/run/a b'c"d$e%f\\g`

  test('in the script, for the shell; systemd halves the $', () => {
    const args = watchArguments({ ...INPUT, tools: { ...INPUT.tools, tail: `${odd}/tail` } }, UNIT, odd, START)
    const script = args.at(-1) ?? ''
    expect(script).toContain(String.raw`echo $$$$ > '/run/a b'\''c"d$$e%f\g'`)
    expect(script).toContain(String.raw`exec '/run/a b'\''c"d$$e%f\g/tail' --pid=42`)
  })

  test('in ExecStopPost, for systemd', () => {
    const property = watchArguments(INPUT, UNIT, odd, START).find((word) => word.startsWith('ExecStopPost='))
    const word = String.raw`/run/a b'c\"d$$e%f\\g`
    expect(property).toBe(`ExecStopPost=-/usr/bin/rm -f "${word}" "${word}.lock"`)
  })

  test('the unit, its slice and what is done with its end', () => {
    expect(watchArguments(INPUT, UNIT, MARKER, START).slice(0, -4)).toEqual([
      ...['--user', '--quiet', '--collect', `--unit=${UNIT}`, '--slice=mcp-servers.slice'],
      '--description=MCP client 42, for its servers',
      ...['-p', 'Type=exec', '-p', `ExecStopPost=-/usr/bin/rm -f "${MARKER}" "${MARKER}.lock"`],
    ])
  })
})
