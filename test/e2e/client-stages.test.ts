import { execFileSync } from 'node:child_process'
import { closeSync, constants, existsSync, openSync, readFileSync, readSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect } from 'vitest'
import { allReady, expectAllGone, type NastyServers, writeNasty } from './clients/nasty.ts'
import { type Artefact, artefacts, executable } from './harness/artefacts.ts'
import type { Launched } from './harness/launched.ts'
import { withoutManager } from './harness/no-manager.ts'
import { isAlive, kill } from './harness/processes.ts'
import { noManager } from './harness/provided.ts'
import { ROOT } from './harness/root.ts'
import { type Sandbox, test } from './harness/sandbox.ts'
import { waitFor } from './harness/wait-for.ts'

/** Starts the launcher in the background, says its pid, and stays. Nobody holds the other end of its stdin. */
const CLIENT = '"$@" </dev/null & echo "$!"; wait; exec sleep 600'

/** The same from a thread that stays, whose end would be no reason to end the server. */
const THREAD_CLIENT = `
import subprocess, sys, threading, time
def launch(): print(subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL).pid, flush=True); time.sleep(600)
threading.Thread(target=launch).start()
`

/**
 * In a session of its own, as a terminal, a desktop or a service manager starts a client: whoever takes in an orphan
 * of it is then known for a stranger, wherever the tests run.
 */
const CLIENTS = {
  'its main thread': ['setsid', 'sh', '-c', CLIENT, 'sh'],
  'another thread': ['setsid', 'python3', '-c', THREAD_CLIENT],
} as const

interface Stage {
  readonly client: Launched
  readonly launcher: number
}

async function begin(sandbox: Sandbox, argv: readonly string[], env: Record<string, string>): Promise<Stage> {
  const client = await sandbox.run(argv, { env })
  return { client, launcher: Number(await client.firstLine()) }
}

async function killClient({ client }: Stage): Promise<void> {
  kill(client.pid)
  await client.processEnded
}

async function expectNoServer(sandbox: Sandbox, servers: NastyServers, { client }: Stage): Promise<void> {
  await expectAllGone(sandbox, servers, client.pid)
  expect(client.stdout().toString()).not.toContain('ready')
}

function fifo(sandbox: Sandbox, name: string): string {
  const path = join(sandbox.home, name)
  execFileSync('mkfifo', ['-m', '600', path])
  return path
}

/** Fills a pipe, so that the next writer waits until it is emptied. */
function fill(path: string): { empty(): string; close(): void } {
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
  const page = Buffer.alloc(4096, '.')
  untilBlocked(() => writeSync(fd, page))
  untilBlocked(() => writeSync(fd, '.'))
  return {
    empty() {
      let text = ''
      const chunk = Buffer.alloc(65_536)
      untilBlocked(() => {
        text += chunk.toString('utf8', 0, readSync(fd, chunk))
      })
      return text.replaceAll('.', '')
    },
    close: () => closeSync(fd),
  }
}

function untilBlocked(step: () => unknown): void {
  try {
    for (;;) step()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
  }
}

/** Whether a process waits in a system call on its stderr. */
function isWriting(pid: number): boolean {
  return readFileSync(`/proc/${pid}/syscall`, 'utf8').split(' ')[1] === '0x2'
}

async function dyingDuring(sandbox: Sandbox, artefact: Artefact, argv: readonly string[], env: Record<string, string>) {
  const gate = fifo(sandbox, 'gate')
  const asked = join(sandbox.home, 'asked')
  const command = ['sh', '-c', `: > '${asked}'; read -r line < '${gate}'; echo "$line"`]
  const servers = writeNasty(sandbox, ['deaf'], { secrets: { A: { command } } })
  const stage = await begin(sandbox, [...argv, ...artefact.argv, ...servers.names], env)
  await waitFor(() => existsSync(asked), { what: 'the question for the secret' })
  await killClient(stage)
  const fd = openSync(gate, constants.O_RDWR)
  writeSync(fd, 'secret\n')
  await expectNoServer(sandbox, servers, stage)
  closeSync(fd)
}

async function dyingBeforeExec(
  sandbox: Sandbox,
  artefact: Artefact,
  argv: readonly string[],
  env: Record<string, string>,
  entry: object = {},
) {
  const servers = writeNasty(sandbox, ['deaf'], entry)
  const path = fifo(sandbox, 'stderr')
  const pipe = fill(path)
  const withPipe = ['sh', '-c', 'exec "$@" 2>stderr', 'sh']
  const launcher = [...withPipe, ...artefact.argv, ...servers.names]
  // A variable that looks like a credential is told on stderr, last of all.
  const stage = await begin(sandbox, [...argv, ...launcher], { ...env, SOME_API_TOKEN: 'x' })
  await waitFor(() => isWriting(stage.launcher), { what: 'the launcher at its last message' })
  expect(isAlive(stage.launcher)).toBe(true)
  await killClient(stage)
  const said = pipe.empty()
  await expectNoServer(sandbox, servers, stage)
  const rest = said + pipe.empty()
  pipe.close()
  return rest
}

describe.skipIf(noManager).each(artefacts)('a client that dies while its server starts, $name', (artefact) => {
  for (const [who, argv] of Object.entries(CLIENTS)) {
    test(`while a secret is asked for, by ${who}`, async ({ sandbox }) => {
      await dyingDuring(sandbox, artefact, argv, sandbox.envWithManager())
    })

    test(`just before exec, by ${who}`, async ({ sandbox }) => {
      const said = await dyingBeforeExec(sandbox, artefact, argv, sandbox.envWithManager())
      expect(said).toContain('SOME_API_TOKEN')
    })

    test(`just before exec, by ${who}, without the death signal`, async ({ sandbox }) => {
      await dyingBeforeExec(sandbox, artefact, argv, sandbox.envWithManager(), { deathSignal: 'off' })
    })
  }

  test('just before exec, without systemd', async ({ sandbox, skip }) => {
    const nowhere = withoutManager()
    if ('unavailable' in nowhere) return skip(nowhere.unavailable)
    const argv = [...nowhere.prefix, ...CLIENTS['its main thread']]
    const said = await dyingBeforeExec(sandbox, artefact, argv, {})
    expect(said).toContain('has ended')
  })
})

describe.skipIf(noManager)('a client that dies at any moment of the launch', () => {
  const STEPS = 40
  const STEP_MS = 5

  for (const [who, argv] of Object.entries(CLIENTS)) {
    test(`started by ${who}`, async ({ sandbox }) => {
      const servers = writeNasty(sandbox, ['deaf', 'setsid'])
      const clients: Stage[] = []
      for (let step = 0; step < STEPS; step += 1) {
        const [name = ''] = [servers.names[step % 2]]
        const launch = [...argv, ...executable.argv, name]
        const stage = await begin(sandbox, launch, sandbox.envWithManager())
        await pause(step * STEP_MS)
        kill(stage.launcher, 'SIGSTOP')
        await killClient(stage)
        kill(stage.launcher, 'SIGCONT')
        clients.push(stage)
      }
      for (const { client } of clients) await expectAllGone(sandbox, servers, client.pid)
    })
  }
})

describe.skipIf(noManager).each(artefacts)('a client that was dead before the launcher looked, $name', (artefact) => {
  test('gets no server', async ({ sandbox }) => {
    const gate = fifo(sandbox, 'gate')
    const servers = writeNasty(sandbox, ['deaf'])
    const script = '{ read -r line < gate; exec "$@"; } </dev/null &'
    const argv = ['setsid', 'sh', '-c', script, 'sh', ...artefact.argv, ...servers.names]
    const client = await sandbox.run(argv, { env: sandbox.envWithManager() })
    await client.processEnded
    writeFileSync(gate, '\n')
    await expectAllGone(sandbox, servers, client.pid)
    await client.exited
    expect(client.stdout().toString()).toBe('')
    expect(client.stderr()).toBe(`mcp-launch: error: won't start server "${servers.names[0]}": its client has ended\n`)
  })

  test('is not mistaken for one that gave its server a session of its own', async ({ sandbox }) => {
    const servers = writeNasty(sandbox, ['deaf'])
    const argv = ['setsid', '--wait', '--fork', ...artefact.argv, ...servers.names]
    const client = await sandbox.run(argv, { env: sandbox.envWithManager() })
    await allReady(client, 1)
    kill(client.pid)
    await expectAllGone(sandbox, servers, client.pid)
  })
})

describe.skipIf(noManager)('a client that forks twice to start its server', () => {
  const CLIENT_PROGRAM = join(ROOT, 'test', 'e2e', 'clients', 'double-fork.py')
  const ECHO = { command: 'sh', args: ['-c', 'read -r line; echo "ready $line"; cat >/dev/null'] }

  const argv = (kind: string, fate: string, name = '') =>
    ['setsid', 'python3', CLIENT_PROGRAM, kind, fate, ...executable.argv, name].filter((word) => word !== '')

  test.for(['pipe', 'socket'])('and lives: it gets it, bound to nobody, by a %s', async (kind, { sandbox }) => {
    const servers = writeNasty(sandbox, ['deaf'], ECHO)
    const [name] = servers.names
    const client = await sandbox.run(argv(kind, 'lives', name), { env: sandbox.envWithManager() })
    await waitFor(() => client.stdout().toString() === 'ready hello\n', { what: `the server: ${client.stderr()}` })
    const why = 'its client started it through a process that has ended'
    expect(client.stderr()).toBe(
      `mcp-launch: note: server "${name}" ends with its input, and not with its client: ${why}\n`,
    )
    const audit = readFileSync(join(sandbox.stateDir, 'audit.jsonl'), 'utf8')
    expect(JSON.parse(audit)).toMatchObject({ event: 'launch', unbound: why })
    kill(client.pid)
    await expectAllGone(sandbox, servers, client.pid)
  })

  test.for(['pipe', 'socket'])('and has ended: it gets none, by a %s', async (kind, { sandbox }) => {
    const servers = writeNasty(sandbox, ['deaf'], ECHO)
    const client = await sandbox.run(argv(kind, 'dies', servers.names[0]), { env: sandbox.envWithManager() })
    await client.processEnded
    await expectNoServer(sandbox, servers, { client, launcher: 0 })
    await client.exited
    expect(client.stderr()).toBe(`mcp-launch: error: won't start server "${servers.names[0]}": its client has ended\n`)
  })
})
