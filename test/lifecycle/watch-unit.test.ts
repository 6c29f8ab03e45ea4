import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { unitWord, watchDescription, watchedClient, watchTemplate, watchUnit } from '../../src/lifecycle/watch-unit.ts'
import { temporaryDirectory } from '../temporary.ts'
import { testWorld } from '../world.ts'

describe('the name of a unit', () => {
  test('is taken apart as it is put together', () => {
    const client = { pid: 6877, start: 573_712 }
    const unit = watchUnit(watchTemplate(testWorld(), '/usr/bin'), client)
    expect(watchedClient(unit)).toEqual(client)
  })

  test('of an earlier version', () => {
    expect(watchedClient('mcp-client-42-7.service')).toEqual({ pid: 42, start: 7 })
  })

  test.each([
    'mcp-client-@42-7.service',
    'mcp-client-0123abc@42-7.service',
    'mcp-client-0123ABCD@42-7.service',
    'mcp-client-0123abcd@.service',
    'mcp-client-0123abcd@0-7.service',
    'mcp-client-0123abcd@42.service',
    'mcp-client-0123abcd@42-7.scope',
    'my-mcp-client-0123abcd@42-7.service',
  ])('%s is nobody’s', (unit) => {
    expect(watchedClient(unit)).toBeUndefined()
  })
})

test('words of a unit’s file', () => {
  expect(unitWord(`/a b'c"d$e%f\\g\nh`)).toBe(String.raw`"/a b'c\"d$$e%%f\\g\nh"`)
})

test('the unit has a slice of its own, and holds nothing of the machine but the tools’ directory', () => {
  const { text } = watchTemplate(testWorld(), '/opt/odd $%"dir')
  expect(text.split('\n').filter((line) => !line.startsWith('ExecStart='))).toEqual([
    expect.stringMatching(/^# /),
    '[Unit]',
    `Description=${watchDescription('%i')}`,
    'CollectMode=inactive-or-failed',
    '',
    '[Service]',
    'Slice=mcp-clients.slice',
    'OOMPolicy=continue',
    'TimeoutStopSec=2s',
    'StandardError=null',
    '',
  ])
  expect(text).toMatch(/^ExecStart=\/bin\/sh -c ".*" sh %i "\/opt\/odd \$\$%%\\"dir"$/m)
})

function startOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ')[19])
}

describe.skipIf(process.platform !== 'linux')('the script', () => {
  function scriptFor(bin: string): string {
    const { text } = watchTemplate(testWorld(), bin)
    const [, word = ''] = /^ExecStart=\/bin\/sh -c "(.*)" sh %i /m.exec(text) ?? []
    return JSON.parse(`"${word}"`).replaceAll('$$', '$').replaceAll('%%', '%')
  }

  /** Runs it as the manager would; `waited` is what a stand-in for `tail` does. */
  function watch(pid: number, start: number, waited: string, more: Record<string, string> = {}): ChildProcess {
    const bin = temporaryDirectory()
    const scripts = { tail: `echo "$@"; ${waited}`, sleep: 'echo "sleep $1"; exec /bin/sleep 0.1', ...more }
    for (const [name, script] of Object.entries(scripts)) {
      writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`)
      chmodSync(join(bin, name), 0o755)
    }
    const child = spawn('/bin/sh', ['-c', scriptFor(bin), 'sh', `${pid}-${start}`, bin], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    onTestFinished(() => void child.kill('SIGKILL'))
    return child
  }

  /** What it said until it ended, and how it ended. */
  async function told(child: ChildProcess): Promise<{ said: string[]; code: number | null }> {
    let said = ''
    child.stdout?.on('data', (chunk) => {
      said += chunk
    })
    const [code] = (await once(child, 'close')) as [number | null]
    return { said: said.split('\n').filter((line) => line !== ''), code }
  }

  function client(argv: readonly [string, ...string[]] = ['sleep', '60']): ChildProcess & { readonly pid: number } {
    const child = spawn(argv[0], argv.slice(1), { stdio: ['pipe', 'pipe', 'ignore'] })
    onTestFinished(() => void child.kill('SIGKILL'))
    return Object.assign(child, { pid: child.pid ?? 0 })
  }

  const END = (pid: number) => `kill -KILL ${pid}; while [ -e /proc/${pid} ]; do sleep 0.01; done`
  const WAIT = (pid: number) => `--pid=${pid} -s 0.5 -f /dev/null`

  test('waits, and ends with the client', async () => {
    const { pid } = client()
    expect(await told(watch(pid, startOf(pid), END(pid)))).toEqual({
      said: [WAIT(pid)],
      code: 0,
    })
  })

  test('ends at once for another start, or where there is no such process', async () => {
    const { pid } = client()
    for (const other of [startOf(pid) + 1, startOf(pid) - 1, 0])
      expect(await told(watch(pid, other, 'exit 0'))).toEqual({ said: [], code: 0 })
    expect(await told(watch(2 ** 22 + 1, 1, 'exit 0'))).toEqual({ said: [], code: 0 })
  })

  test('ends with a zombie', async () => {
    const parent = client(['sh', '-c', 'sleep 60 & echo $!; exec sleep 60'])
    const pid = Number(await once(parent.stdout as NonNullable<typeof parent.stdout>, 'data'))
    const isZombie = `while ! grep -q "^State:.Z" /proc/${pid}/status; do sleep 0.01; done`
    expect(await told(watch(pid, startOf(pid), `kill ${pid}; ${isZombie}`))).toEqual({ said: [WAIT(pid)], code: 0 })
  })

  test('goes on if what it waits with is killed, or fails, and doesn’t spin', async () => {
    const { pid } = client()
    const count = `n=$(cat "$0.n" 2>/dev/null); echo "x$n" > "$0.n"; [ "$n" != xx ] || { ${END(pid)}; }`
    expect(await told(watch(pid, startOf(pid), `${count}; [ -z "$n" ] || exit 1; kill -KILL $$`))).toEqual({
      said: [WAIT(pid), 'sleep 1', WAIT(pid), 'sleep 1', WAIT(pid), 'sleep 1'],
      code: 0,
    })
  })

  test('goes on while there is no process to be had', async ({ skip }) => {
    if (process.getuid?.() !== 0) return skip('only root can become a user without a process')
    const program = client()
    const nobody = ['--reuid', '54321', '--regid', '54321', '--clear-groups', 'prlimit', '--nproc=1:1']
    const words = ['/bin/sh', '-c', scriptFor('/usr/bin'), 'sh', `${program.pid}-${startOf(program.pid)}`, '/usr/bin']
    const child = spawn('setpriv', [...nobody, ...words], { stdio: ['ignore', 'ignore', 'pipe'] })
    onTestFinished(() => void child.kill('SIGKILL'))
    let complaints = 0
    child.stderr.on('data', (text: Buffer) => {
      complaints += text.toString().split('fork').length - 1
    })
    await expect.poll(() => complaints, { timeout: 20_000 }).toBeGreaterThan(3)
    expect(child.exitCode).toBeNull()
    program.kill('SIGKILL')
    await once(program, 'exit')
    expect(await once(child, 'exit')).toEqual([0, null])
  })

  test('looks again when the time is over, without a pause', async () => {
    const { pid } = client()
    const timeout = `echo "timeout $1"; shift; "$@"; exit 124`
    const { said } = await told(watch(pid, startOf(pid), `[ -e "$0.n" ] && { ${END(pid)}; }; : > "$0.n"`, { timeout }))
    expect(said).toEqual(['timeout 4', WAIT(pid), 'timeout 4', WAIT(pid)])
  })

  test.each([') S 1 (x', 'a\nb) S', ') Z 1 ('])('reads the start behind the name %j', async (name) => {
    const program = client(['sh', '-c', 'printf %s "$1" > /proc/$$/comm; echo; read -r line', 'sh', name])
    await once(program.stdout as NonNullable<typeof program.stdout>, 'data')
    const { pid } = program
    expect(readFileSync(`/proc/${pid}/comm`, 'utf8')).toBe(`${name}\n`)
    expect((await told(watch(pid, startOf(pid) + 1, 'exit 0'))).said).toEqual([])
    expect((await told(watch(pid, startOf(pid), END(pid)))).said).toEqual([WAIT(pid)])
  })

  test('a client whose first thread has ended, and others not, lives', async ({ skip }) => {
    const threads =
      'import threading,time,ctypes,sys\nthreading.Thread(target=lambda: time.sleep(60)).start()\nprint(flush=True)\nctypes.CDLL(None).pthread_exit(None)'
    const program = client(['python3', '-c', threads])
    program.on('error', () => {})
    if (program.pid === 0) return skip('no python3')
    await once(program.stdout as NonNullable<typeof program.stdout>, 'data')
    const { pid } = program
    const zombie = () => readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')
    await expect.poll(zombie).toBe(true)
    expect((await told(watch(pid, startOf(pid), END(pid)))).said).toEqual([WAIT(pid)])
  })
})
