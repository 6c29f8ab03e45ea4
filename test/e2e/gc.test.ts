import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect } from 'vitest'
import { type Artefact, artefacts, executable } from './harness/artefacts.ts'
import type { Launched } from './harness/launched.ts'
import { type Outcome, outcome } from './harness/outcome.ts'
import { type PrivateManager, startPrivateManager } from './harness/private-manager.ts'
import { isAlive, kill } from './harness/processes.ts'
import { type Sandbox, test } from './harness/sandbox.ts'
import { server } from './harness/servers.ts'
import { listUnits } from './harness/units.ts'
import { waitFor } from './harness/wait-for.ts'

/** Of these tests alone: `gc` would stop the orphans of others. */
let manager: PrivateManager
const isRoot = process.getuid?.() === 0

/** Greater than any pid (proc(5), pid_max). */
const NOBODY = 4_194_305

/** A process that ignores SIGTERM, with a grandchild in a session of its own. */
const NASTY = 'trap "" TERM; setsid sleep 600 & echo "$$"; while :; do sleep 600; done'
const nasty = { command: 'sh', args: ['-c', NASTY], stopTimeout: '500ms', deathSignal: 'off' }

interface Cleaning {
  readonly verb: string
  readonly subject: string
  readonly why: string
  readonly done?: boolean
}

const env = (sandbox: Sandbox) => ({ XDG_RUNTIME_DIR: manager.runtimeDir, TMPDIR: sandbox.home })
const units = (pattern: string) => listUnits({ runtimeDir: manager.runtimeDir, kind: 'private', limits: true }, pattern)

async function gc(sandbox: Sandbox, args: readonly string[] = [], artefact: Artefact = executable): Promise<Outcome> {
  return outcome(await sandbox.launch(artefact, ['gc', ...args], { env: env(sandbox) }))
}

async function cleanings(sandbox: Sandbox, ...args: string[]): Promise<Cleaning[]> {
  const { code, stdout, stderr } = await gc(sandbox, ['--json', ...args])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return (JSON.parse(stdout) as { cleanings: Cleaning[] }).cleanings
}

/** A server of a client that can be killed; the first line is the server's pid. */
async function launchBy(
  sandbox: Sandbox,
  name: string,
  before: readonly string[] = [],
): Promise<{ client: Launched; pid: number }> {
  const prefix = [...before, 'sh', '-c', '"$@" & wait; sleep 600', 'sh']
  const client = await sandbox.launch(executable, [name], { env: env(sandbox), prefix })
  return { client, pid: Number(await client.firstLine()) }
}

/** A server whose first process ends when it has started another, which answers and doesn't end with its stdin. */
const ANSWER = 'while read -r line; do echo "got $line"; done; sleep 600'
const wrapper = { command: 'sh', args: ['-c', `exec 3<&0; { ${ANSWER}; } <&3 & exit 0`], stopTimeout: '500ms' }

/** Clients that pass each line on to a server, until a line "close", and then live on. */
const ON_A_SOCKET = ['sh', '-c', 'exec 3<&0; "$@" <&3 & exec 3<&- </dev/null; exec sleep 600', 'sh']
const ON_A_PIPE = [
  'python3',
  '-c',
  `
import subprocess, sys, time
server = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE)
for line in sys.stdin:
    server.stdin.write(line.encode())
    server.stdin.flush()
server.stdin.close()
time.sleep(600)
`,
]

/** No client can be watched where there is no `tail`: its scopes are bound to nobody, as before there was a watch. */
const WITHOUT_WATCH = [
  ...['unshare', '--mount', '--propagation', 'private', 'sh', '-c'],
  'for tail in /usr/bin/tail /bin/tail; do [ ! -x "$tail" ] || mount --bind /dev/null "$tail"; done; exec "$@"',
  'sh',
]

/** Without a `$`, which systemd may take for its own. */
const PRINT_PID = 'cut -d " " -f 4 /proc/self/stat; exec cat'

/** Runs something in a unit of its own, as anybody may, until the sandbox ends. */
async function foreign(sandbox: Sandbox, options: readonly string[], script = PRINT_PID): Promise<number> {
  const argv = ['systemd-run', '--user', '--quiet', '--collect', ...options, 'sh', '-c', script]
  const launched = await sandbox.run(argv, { env: env(sandbox) })
  return Number(await launched.firstLine())
}

describe.skipIf(!isRoot)('gc', () => {
  beforeAll(async () => {
    manager = await startPrivateManager()
  })
  beforeEach(async () => {
    const left = async () => (await units('mcp-*')).filter((unit) => !unit.endsWith('.slice'))
    await waitFor(async () => (await left()).length === 0, { what: 'the end of the watches of the test before' })
  })
  afterAll(() => manager?.stop())

  test.for(artefacts)('with nothing to do, $name', async (artefact, { sandbox }) => {
    sandbox.writeRegistry({ servers: { it: { ...nasty, deathSignal: 'auto' } } })
    const { pid } = await launchBy(sandbox, 'it')
    expect(await gc(sandbox, [], artefact)).toEqual({
      code: 0,
      signal: null,
      stdout: 'nothing to clean up\n',
      stderr: '',
    })
    expect(isAlive(pid)).toBe(true)
  })

  test('stops a scope that is bound to nobody and whose client has ended', async ({ sandbox }) => {
    sandbox.writeRegistry({ servers: { it: nasty } })
    const { client, pid } = await launchBy(sandbox, 'it', WITHOUT_WATCH)
    expect(await cleanings(sandbox)).toEqual([])
    kill(client.pid)
    await waitFor(() => !isAlive(client.pid), { what: 'the end of the client' })
    const unit = `mcp-it-${pid}.scope`
    const why = `its client (sh, pid ${client.pid}) has ended`
    expect(await gc(sandbox, ['--dry-run'])).toMatchObject({ code: 0, stdout: `would stop ${unit}: ${why}\n` })
    expect(isAlive(pid)).toBe(true)
    expect(await gc(sandbox)).toEqual({ code: 0, signal: null, stdout: `stopped ${unit}: ${why}\n`, stderr: '' })
    await sandbox.expectNothingLeft(1_000)
    expect(await cleanings(sandbox)).toEqual([])
  })

  test('stops what a server has left whose client lives, and not its brother', async ({ sandbox }) => {
    sandbox.writeRegistry({ servers: { it: nasty } })
    const ended = await launchBy(sandbox, 'it')
    const { pid } = await launchBy(sandbox, 'it')
    kill(ended.pid)
    await waitFor(() => !isAlive(ended.pid), { what: 'the end of the server' })
    const [cleaning, ...others] = await cleanings(sandbox)
    expect(others).toEqual([])
    expect(cleaning).toMatchObject({ verb: 'stop', subject: `mcp-it-${ended.pid}.scope`, done: true })
    expect(cleaning?.why).toContain('the server itself has ended')
    expect(isAlive(pid)).toBe(true)
    expect(await units('mcp-it-*.scope')).toEqual([`mcp-it-${pid}.scope`])
  })

  test.for([
    ['a pipe', ON_A_PIPE],
    ['a socket', ON_A_SOCKET],
  ] as const)(
    'lets alone what a server has left while its client talks to it by %s',
    async ([, prefix], { sandbox, skip }) => {
      const program = prefix[0] as string
      if ((await outcome(await sandbox.run(['sh', '-c', `command -v ${program}`]))).code !== 0)
        return skip(`no ${program}`)
      sandbox.writeRegistry({ servers: { it: wrapper } })
      const client = await sandbox.launch(executable, ['it'], { env: env(sandbox), prefix })
      const ask = async (word: string): Promise<void> => {
        client.stdin.write(`${word}\n`)
        await waitFor(() => client.stdout().toString().includes(`got ${word}\n`), { what: 'an answer' })
      }
      await ask('one')
      const [unit = ''] = await units('mcp-it-*.scope')
      await waitFor(() => !isAlive(Number(unit.match(/\d+/)?.[0])), { what: 'the end of the leader' })
      expect(await cleanings(sandbox)).toEqual([])
      await ask('two')
      client.stdin.end()
      client.stdin.destroy()
      await waitFor(async () => (await cleanings(sandbox)).some(({ subject }) => subject === unit), {
        what: 'the end of what nobody talks to',
      })
      expect(isAlive(client.pid)).toBe(true)
      expect(await units('mcp-it-*.scope')).toEqual([])
    },
  )

  test('stops a server without a scope whose client has ended', async ({ sandbox }) => {
    sandbox.writeRegistry({ servers: { it: { ...server('wait-signal'), scope: 'off', deathSignal: 'off' } } })
    const prefix = ['sh', '-c', '"$@" & echo "$!"; wait', 'sh']
    const client = await sandbox.launch(executable, ['it'], { env: env(sandbox), prefix })
    await waitFor(() => client.stdout().toString().includes('ready'), { what: 'the server' })
    const pid = Number(client.stdout().toString().replace('ready', '').trim())
    kill(client.pid)
    await waitFor(() => !isAlive(client.pid), { what: 'the end of the client' })
    expect(await cleanings(sandbox)).toMatchObject([{ verb: 'stop', subject: `it (pid ${pid})`, done: true }])
    expect(isAlive(pid)).toBe(false)
  })

  test('a pid that a stranger has by now: as the client it has ended, as the server it is let alone', async ({
    sandbox,
  }) => {
    sandbox.writeRegistry({ servers: { it: { ...server('wait-signal'), scope: 'off' } } })
    const launched = await sandbox.launch(executable, ['it'], { env: env(sandbox) })
    await launched.firstLine()
    const younger = await sandbox.run(['sh', '-c', 'echo; exec cat'])
    await younger.firstLine()
    const log = join(sandbox.stateDir, 'audit.jsonl')
    const line = JSON.parse(readFileSync(log, 'utf8').trim())
    expect(await cleanings(sandbox)).toEqual([])
    const asServer = { ...line, pid: younger.pid }
    const asClient = { ...line, client: { pid: younger.pid, program: 'gone' } }
    writeFileSync(log, `${JSON.stringify(asServer)}\n${JSON.stringify(asClient)}\n`)
    expect(await cleanings(sandbox)).toMatchObject([{ subject: `it (pid ${launched.pid})`, done: true }])
    expect([isAlive(launched.pid), isAlive(younger.pid)]).toEqual([false, true])
  })

  test('a stranger that has the pid and the start time of a server of another boot is let alone', async ({
    sandbox,
  }) => {
    sandbox.writeRegistry({ servers: { it: { ...server('wait-signal'), scope: 'off', deathSignal: 'off' } } })
    const launched = await sandbox.launch(executable, ['it'], { env: env(sandbox) })
    await launched.firstLine()
    const log = join(sandbox.stateDir, 'audit.jsonl')
    const line = { ...JSON.parse(readFileSync(log, 'utf8').trim()), client: { pid: NOBODY } }
    for (const boot of [undefined, '00000000-0000-0000-0000-000000000000']) {
      writeFileSync(log, `${JSON.stringify({ ...line, boot })}\n`)
      expect(await cleanings(sandbox)).toEqual([])
    }
    writeFileSync(log, `${JSON.stringify(line)}\n`)
    expect(await cleanings(sandbox)).toMatchObject([{ subject: `it (pid ${launched.pid})`, done: true }])
  })

  test('stops a watch that watches a stranger by now, and what is bound to it', async ({ sandbox }) => {
    const stranger = await sandbox.run(['sh', '-c', 'echo; exec cat'])
    await stranger.firstLine()
    const watch = `mcp-client-${stranger.pid}-1.service`
    const about = `--description=MCP client ${stranger.pid}, for its servers`
    const tail = ['tail', `--pid=${stranger.pid}`, '-f', '/dev/null']
    const run = ['systemd-run', '--user', '--quiet', '--collect', `--unit=${watch}`, about, ...tail]
    expect(await outcome(await sandbox.run(run, { env: env(sandbox) }))).toMatchObject({ code: 0 })
    const bind = ['-p', `BindsTo=${watch}`, '-p', `After=${watch}`, '--description=MCP server it']
    const script = `exec systemd-run --user --scope --quiet --collect --unit="mcp-it-$$.scope" "$@" -- sh -c 'echo $$; exec cat'`
    const launched = await sandbox.run(['sh', '-c', script, 'sh', ...bind], { env: env(sandbox) })
    const pid = Number(await launched.firstLine())
    expect(pid).toBe(launched.pid)
    expect(await cleanings(sandbox)).toMatchObject([
      { subject: `mcp-it-${pid}.scope`, done: true, why: `its client (pid ${stranger.pid}) has ended` },
      { subject: watch, done: true },
    ])
    expect([isAlive(pid), isAlive(stranger.pid)]).toEqual([false, true])
    expect(await units(watch)).toEqual([])
  })

  test('touches nothing that only looks like its own', async ({ sandbox }) => {
    const pids = [
      await foreign(sandbox, ['--scope', '--unit=mcp-x.scope', '--description=MCP server x']),
      await foreign(sandbox, ['--scope', '--unit=mcp-foo-123.scope']),
      await foreign(sandbox, ['--scope', '--unit=mcp-foo-124.scope', '--description=MCP server bar']),
      await foreign(sandbox, ['--scope', '--unit=mcp-trial-7-8.scope', '--description=mcp-launch trial']),
      await foreign(sandbox, ['--pipe', '--unit=mcp-foo-123.service', '--description=MCP server foo']),
      await foreign(sandbox, ['--pipe', `--unit=mcp-client-${NOBODY}-1.service`]),
    ]
    const run = join(manager.runtimeDir, 'mcp-launch')
    const files = ['notes.txt', `it.${NOBODY}.1`, `clients/${NOBODY}.1.bak`].map((name) => join(run, name))
    mkdirSync(join(run, 'clients'), { recursive: true, mode: 0o700 })
    for (const file of files) writeFileSync(file, '')
    const draft = sandbox.writeFile(join(sandbox.cacheDir, `mine.${NOBODY}.tmp`), '')
    expect(await cleanings(sandbox)).toEqual([])
    expect(pids.map(isAlive)).toEqual(pids.map(() => true))
    expect([...files, draft].every((file) => existsSync(file))).toBe(true)
  })

  test('needs no HOME to stop what has lost its client', async ({ sandbox }) => {
    sandbox.writeRegistry({ servers: { it: nasty } })
    const { client, pid } = await launchBy(sandbox, 'it', WITHOUT_WATCH)
    kill(client.pid)
    await waitFor(() => !isAlive(client.pid), { what: 'the end of the client' })
    // Nor does the audit log say who its client was: only that its leader goes makes it an orphan.
    kill(pid)
    await waitFor(() => !isAlive(pid), { what: 'the end of the leader' })
    const options = { env: env(sandbox), prefix: ['env', '-u', 'HOME'] }
    const { code, stdout, stderr } = await outcome(await sandbox.launch(executable, ['gc'], options))
    expect({ code, stdout }).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`stopped mcp-it-${pid}.scope: `),
    })
    expect(stderr).toContain('HOME is not set')
    await sandbox.expectNothingLeft(1_000)
  })

  test('removes stale files', async ({ sandbox }) => {
    const run = join(manager.runtimeDir, 'mcp-launch')
    const secret = join(run, `it.${NOBODY}.5`)
    const marker = join(run, 'clients', `${NOBODY}.5`)
    mkdirSync(join(run, 'clients'), { recursive: true, mode: 0o700 })
    mkdirSync(secret, { mode: 0o700 })
    writeFileSync(join(secret, 'TOKEN'), 'secret')
    writeFileSync(marker, '1')
    const draft = sandbox.writeFile(join(sandbox.cacheDir, `secrets.enc.${NOBODY}.tmp`), '')
    const lines = [
      [secret, `the server it was written for (pid ${NOBODY}) has ended`],
      [marker, `the client (pid ${NOBODY}) has ended`],
      [draft, `its writer (pid ${NOBODY}) has ended`],
    ]
    const text = (verb: string) => lines.map(([path, why]) => `${verb} ${path}: ${why}\n`).join('')
    expect(await gc(sandbox, ['--dry-run'])).toMatchObject({ code: 0, stdout: text('would remove') })
    expect([secret, marker, draft].every((path) => existsSync(path))).toBe(true)
    expect(await gc(sandbox)).toMatchObject({ code: 0, stdout: text('removed') })
    expect([secret, marker, draft].some((path) => existsSync(path))).toBe(false)
  })

  test('stops 30 orphans at once', async ({ sandbox }) => {
    sandbox.writeRegistry({ servers: { it: nasty } })
    const prefix = [...WITHOUT_WATCH, 'sh', '-c', 'for i in $(seq 30); do "$@" & done; wait; sleep 600', 'sh']
    const client = await sandbox.launch(executable, ['it'], { env: env(sandbox), prefix })
    const count = () => client.stdout().toString().split('\n').length - 1
    await waitFor(() => count() === 30, { what: '30 servers', limitMs: 40_000 })
    kill(client.pid)
    await waitFor(() => !isAlive(client.pid), { what: 'the end of the client' })
    expect((await cleanings(sandbox)).filter(({ done }) => done)).toHaveLength(30)
    await sandbox.expectNothingLeft(1_000)
    expect(await units('mcp-it-*.scope')).toEqual([])
  })
})
