import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect } from 'vitest'
import { type Artefact, artefacts } from './harness/artefacts.ts'
import { isAlive, kill, MARKER, markedProcesses } from './harness/processes.ts'
import { type Sandbox, test } from './harness/sandbox.ts'
import { server } from './harness/servers.ts'
import { waitFor } from './harness/wait-for.ts'

const PATIENT = { resolveTimeout: '60s' }

/** A registry whose secret comes from a command that waits for ever, as does what it has started. */
function plantWaiting(sandbox: Sandbox, more: object = {}): void {
  const script = 'sleep 1000 & echo $! >>~/child; echo $$ >~/leader; sleep 1000; :'
  const from = { command: ['/bin/sh', '-c', script] }
  sandbox.writeRegistry({ cache: PATIENT, servers: { it: { ...server('report'), secrets: { A: { from, ...more } } } } })
}

/** The command and its child, when both are there. */
function waiting(sandbox: Sandbox): Promise<number[]> {
  const files = ['child', 'leader'].map((name) => join(sandbox.home, name))
  const pids = () => files.map((file) => (existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0))
  return waitFor(() => pids().every((pid) => pid > 0) && pids(), { what: 'the command to wait' })
}

/** Whether a process waits: one that has started a command hands it over to the watch before it does. */
function isAsleep(pid: number): boolean {
  return /\) S /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
}

/** The process that fetches for a launch, and not the shell that puts it into the background. */
async function fetcher(sandbox: Sandbox): Promise<number> {
  const marker = sandbox.env()[MARKER] ?? ''
  const isFetcher = ({ command }: { command: string }) => /^(?!\/bin\/sh).*secrets refresh --due/.test(command)
  const found = await waitFor(() => markedProcesses(marker, sandbox.home).find(isFetcher), { what: 'the fetcher' })
  return found.pid
}

const WHO: Readonly<Record<string, (sandbox: Sandbox, artefact: Artefact) => Promise<number>>> = {
  async 'secrets refresh'(sandbox, artefact) {
    plantWaiting(sandbox)
    return (await sandbox.launch(artefact, ['secrets', 'refresh'])).pid
  },
  async 'the fetcher of a launch'(sandbox, artefact) {
    plantWaiting(sandbox)
    await sandbox.launch(artefact, ['it'])
    return fetcher(sandbox)
  },
  async 'a launch that asks by itself'(sandbox, artefact) {
    plantWaiting(sandbox, { cache: false })
    return (await sandbox.launch(artefact, ['it'])).pid
  },
}

describe.each(artefacts)('$name', (artefact) => {
  describe.each(Object.entries(WHO))('%s', (who, start) => {
    test.for(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGKILL'] as const)(
      'that is ended by %s leaves no command behind, nor what that has started',
      async (signal, { sandbox, skip }) => {
        if (signal === 'SIGINT' && who === 'the fetcher of a launch')
          return skip('a shell starts what it puts into the background so that it ignores it')
        const pid = await start(sandbox, artefact)
        const [child, leader] = await waiting(sandbox)
        await waitFor(() => isAsleep(pid), { what: 'the launcher to wait for its command' })
        kill(pid, signal)
        await waitFor(() => ![pid, child, leader].some((one) => isAlive(one as number)), { what: 'the end of all' })
      },
    )
  })

  test('what a command has left in the background goes on when the launcher ends', async ({ sandbox }) => {
    const script = 'sleep 1000 & echo $! >~/child; echo value'
    const from = { command: ['/bin/sh', '-c', script] }
    sandbox.writeRegistry({ cache: PATIENT, servers: { it: { command: 'true', secrets: { A: from } } } })
    const refresh = await sandbox.launch(artefact, ['secrets', 'refresh'])
    expect(await refresh.processEnded).toEqual({ code: 0, signal: null })
    const child = Number(readFileSync(join(sandbox.home, 'child'), 'utf8'))
    expect(isAlive(child)).toBe(true)
    const left = await sandbox.leftovers()
    expect(left).toEqual([`process ${child}: sleep 1000`])
  })
})
