import { existsSync, readdirSync, readFileSync, realpathSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect } from 'vitest'
import { artefacts, executable } from './harness/artefacts.ts'
import { describeUnless } from './harness/describe-unless.ts'
import { outcome } from './harness/outcome.ts'
import { noLimits } from './harness/provided.ts'
import { type Sandbox, test } from './harness/sandbox.ts'
import { waitFor } from './harness/wait-for.ts'

const logOf = (sandbox: Sandbox) => join(sandbox.stateDir, 'logs', 'it.log')

function writeServer(sandbox: Sandbox, script: string, entry: object = {}): void {
  sandbox.writeRegistry({ servers: { it: { command: 'sh', args: ['-c', script], logs: 'file', ...entry } } })
}

describe.each(artefacts)('logs: file, $name', (artefact) => {
  test('what a server says on stderr is the client’s and in the log; stdout is untouched', async ({ sandbox }) => {
    writeServer(sandbox, 'echo "pid $$"; echo one >&2; echo two >&2; exit 7')
    const launched = await sandbox.launch(artefact, ['it'])
    const end = await outcome(launched)
    expect(end).toEqual({ code: 7, signal: null, stdout: `pid ${launched.pid}\n`, stderr: 'one\ntwo\n' })
    expect(readFileSync(logOf(sandbox), 'utf8')).toBe('one\ntwo\n')
    expect(statSync(logOf(sandbox)).mode & 0o777).toBe(0o600)
    await sandbox.expectNothingLeft()
  })

  test('a server that closes nothing and is killed leaves no copying process', async ({ sandbox }) => {
    writeServer(sandbox, 'echo ready; echo said >&2; exec sleep 600')
    const launched = await sandbox.launch(artefact, ['it'])
    expect(await launched.firstLine()).toBe('ready')
    launched.kill('SIGKILL')
    await waitFor(() => readFileSync(logOf(sandbox), 'utf8') === 'said\n', { what: 'its last words' })
    await sandbox.expectNothingLeft()
  })
})

test('two servers of one name write into one log, line by line', async ({ sandbox }) => {
  writeServer(sandbox, 'for i in $(seq 200); do echo "line of $$" >&2; done')
  const both = await Promise.all([sandbox.launch(executable, ['it']), sandbox.launch(executable, ['it'])])
  await Promise.all(both.map((launched) => outcome(launched)))
  const lines = readFileSync(logOf(sandbox), 'utf8').trimEnd().split('\n')
  expect(lines.filter((line) => /^line of \d+$/.test(line))).toHaveLength(400)
})

test('a log that has grown too large is turned', async ({ sandbox }) => {
  writeServer(sandbox, 'echo new >&2')
  await outcome(await sandbox.launch(executable, ['it']))
  writeFileSync(logOf(sandbox), 'x'.repeat(5 * 1024 * 1024 + 1))
  await outcome(await sandbox.launch(executable, ['it']))
  expect(readFileSync(logOf(sandbox), 'utf8')).toBe('new\n')
  expect(statSync(`${logOf(sandbox)}.1`).size).toBe(5 * 1024 * 1024 + 1)
})

const MIB = 1024 * 1024

/** More than a log takes (10 MiB), from a server that runs once. */
const TALKATIVE = `head -c ${11 * MIB} /dev/zero | tr '\\0' x >&2; echo done`

test('a log doesn’t grow without end while its server runs, and the client has it all', async ({ sandbox }) => {
  writeServer(sandbox, TALKATIVE)
  const { code, stdout, stderr } = await outcome(await sandbox.launch(executable, ['it']))
  expect({ code, stdout, length: stderr.length }).toEqual({ code: 0, stdout: 'done\n', length: 11 * MIB })
  expect(statSync(logOf(sandbox)).size).toBe(10 * MIB)
  await sandbox.expectNothingLeft()
})

test('the size of the log is none of a file that is the client’s stderr', async ({ sandbox }) => {
  writeServer(sandbox, TALKATIVE)
  const prefix = ['sh', '-c', 'exec "$@" 2>"$0"', join(sandbox.home, 'stderr')]
  await outcome(await sandbox.launch(executable, ['it'], { prefix }))
  const sizes = () => [join(sandbox.home, 'stderr'), logOf(sandbox)].map((file) => statSync(file).size / MIB)
  await waitFor(() => sizes().join() === '11,10', { what: 'both files' })
  await sandbox.expectNothingLeft()
})

test('a client that closes its end loses nothing of the log', async ({ sandbox }) => {
  writeServer(sandbox, 'for i in $(seq 100); do echo "line $i" >&2; done')
  const prefix = ['sh', '-c', '{ "$@" 2>&1 >&3 | exec true; } 3>&1', 'sh']
  await outcome(await sandbox.launch(executable, ['it'], { prefix }))
  await waitFor(() => readFileSync(logOf(sandbox), 'utf8').endsWith('line 100\n'), { what: 'the last line' })
  await sandbox.expectNothingLeft()
})

test('what a killed launch with our pid has left is no reason to have no log', async ({ sandbox }) => {
  writeServer(sandbox, 'echo said >&2')
  sandbox.writeFile(`${logOf(sandbox)}.keep`, '')
  const plant = `mkfifo "$0.$$.fifo"; exec "$@"`
  await outcome(await sandbox.launch(executable, ['it'], { prefix: ['sh', '-c', plant, logOf(sandbox)] }))
  expect(readFileSync(logOf(sandbox), 'utf8')).toBe('said\n')
  expect(readdirSync(dirname(logOf(sandbox))).sort()).toEqual(['it.log', 'it.log.keep'])
})

test('a server has its variables as they were', async ({ sandbox }) => {
  writeServer(sandbox, 'echo "$fifo $log $tag"')
  const env = { fifo: 'a', log: 'b', tag: 'c' }
  expect((await outcome(await sandbox.launch(executable, ['it'], { env }))).stdout).toBe('a b c\n')
})

describeUnless(noLimits, 'few tasks', () => {
  test.for([
    { tasksMax: 1, log: undefined },
    { tasksMax: 2, log: 'said\n' },
  ])('$tasksMax', async ({ tasksMax, log }, { sandbox, skip }) => {
    if (tasksMax === 1 && !realpathSync('/bin/sh').endsWith('dash')) return skip('only dash survives a failed fork')
    writeServer(sandbox, 'echo said >&2; echo ready; exec cat', { limits: { tasksMax } })
    const launched = await sandbox.launch(executable, ['it'], { env: sandbox.envWithManager() })
    expect(await launched.firstLine()).toBe('ready')
    launched.stdin.end()
    expect(await outcome(launched)).toMatchObject({ code: 0, signal: null })
    await sandbox.expectNothingLeft()
    expect(existsSync(logOf(sandbox)) ? readFileSync(logOf(sandbox), 'utf8') : undefined).toBe(log)
  })
})

test('without a place for the log the server starts all the same', async ({ sandbox }) => {
  writeServer(sandbox, 'echo out; echo err >&2')
  const launched = await sandbox.launch(executable, ['it'], { env: { XDG_STATE_HOME: '/proc/nowhere' } })
  expect(await outcome(launched)).toEqual({ code: 0, signal: null, stdout: 'out\n', stderr: 'err\n' })
})

test('logs: journal without a journal loses nothing of the client’s', async ({ sandbox }) => {
  writeServer(sandbox, 'for i in $(seq 100); do echo "line $i" >&2; done', { logs: 'journal' })
  const { stderr } = await outcome(await sandbox.launch(executable, ['it']))
  expect(stderr.split('\n').filter((line) => /^line \d+$/.test(line))).toHaveLength(100)
  await sandbox.expectNothingLeft()
})

/** A journal of its own, in a world of its own: what it leaves goes with that. */
const WITH_JOURNAL = `mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal /run/log/journal
/lib/systemd/systemd-journald & 
for i in $(seq 100); do [ ! -S /run/systemd/journal/stdout ] || break; sleep 0.1; done
"$@"
for i in $(seq 100); do "$1" logs it >/run/said 2>&1; ! grep -q two /run/said || break; sleep 0.1; done
cat /run/said`

test('logs: journal with a real journal', async ({ sandbox, skip }) => {
  if (process.getuid?.() !== 0) return skip('a journal of its own needs root')
  if (!existsSync('/lib/systemd/systemd-journald')) return skip('there is no systemd-journald')
  writeServer(sandbox, 'echo out; echo one >&2; echo two >&2', { logs: 'journal' })
  const world = ['unshare', '--mount', '--pid', '--fork', '--mount-proc', '--propagation', 'private', 'sh', '-c']
  const { stdout } = await outcome(await sandbox.launch(executable, ['it'], { prefix: [...world, WITH_JOURNAL, 'sh'] }))
  expect(stdout).toBe('out\none\ntwo\n')
  await sandbox.expectNothingLeft()
})

describe.each(artefacts)('mcp-launch logs, $name', (artefact) => {
  test('prints a log of any length to a reader that takes its time', async ({ sandbox }) => {
    writeServer(sandbox, 'echo one >&2')
    sandbox.writeFile(logOf(sandbox), `${'x'.repeat(99)}\n`.repeat(50_000))
    const argv = ['sh', '-c', '"$@" | { sleep 0.3; wc -c; }', 'sh', ...artefact.argv, 'logs', 'it', '-n', '50000']
    expect(await outcome(await sandbox.run(argv))).toMatchObject({ stdout: '5000000\n', stderr: '' })
  })
})

describe('mcp-launch logs', () => {
  const logs = async (sandbox: Sandbox, ...args: string[]) =>
    outcome(await sandbox.launch(executable, ['logs', 'it', ...args]))

  test('prints the end of the log, as text and as JSON', async ({ sandbox }) => {
    writeServer(sandbox, 'echo one >&2; echo two >&2')
    expect((await logs(sandbox)).stderr).toContain('error: no log yet')
    await outcome(await sandbox.launch(executable, ['it']))
    expect(await logs(sandbox)).toMatchObject({ code: 0, stdout: 'one\ntwo\n', stderr: '' })
    expect(await logs(sandbox, '-n', '1')).toMatchObject({ code: 0, stdout: 'two\n' })
    expect(JSON.parse((await logs(sandbox, '--json')).stdout)).toEqual({ server: 'it', lines: ['one', 'two'] })
    expect(await logs(sandbox, '-n', 'x')).toMatchObject({ code: 2 })
  })

  test('follows it', async ({ sandbox }) => {
    writeServer(sandbox, 'echo one >&2')
    await outcome(await sandbox.launch(executable, ['it']))
    const following = await sandbox.launch(executable, ['logs', 'it', '--follow'])
    await waitFor(() => following.stdout().toString() === 'one\n', { what: 'the log' })
    await outcome(await sandbox.launch(executable, ['it']))
    await waitFor(() => following.stdout().toString() === 'one\none\n', { what: 'what came after' })
    following.kill()
  })

  test('says that a log can’t be followed as JSON', async ({ sandbox }) => {
    writeServer(sandbox, 'echo one >&2')
    const { code, stderr } = await logs(sandbox, '--follow', '--json')
    expect(code).toBe(2)
    expect(stderr).toContain("error: can't follow a log as json: it has no end\n")
  })

  test('says what to do for a server without one', async ({ sandbox }) => {
    writeServer(sandbox, 'true', { logs: 'off' })
    expect((await logs(sandbox)).stderr).toContain('hint: set "logs: file" (or journal) for it in the registry')
  })
})
