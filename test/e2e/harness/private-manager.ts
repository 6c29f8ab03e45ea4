import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findCgroups, makeCgroup, removeCgroup, removeIfEmpty } from './private-cgroup.ts'
import { isAbandoned, PREFIX, runPrefix } from './temporary.ts'
import { waitFor } from './wait-for.ts'

const START_LIMIT_MS = 20_000
const STOP_LIMIT_MS = 10_000

/**
 * Becomes the manager, in the cgroups given as arguments and a view of /run/systemd in which systemd has booted.
 * Never without the cgroup: a manager moves all processes of the cgroup that it starts in into its own init.scope.
 */
const BECOME_MANAGER = `
set -eu
for directory; do echo $$ > "$directory/cgroup.procs"; done
for directory; do grep -qx $$ "$directory/cgroup.procs"; done
mount -t tmpfs -o mode=755 tmpfs /run/systemd
mkdir /run/systemd/system
exec setpriv --pdeathsig TERM "$SYSTEMD" --user
`

/** A systemd user manager of the tests' own. */
export interface PrivateManager {
  readonly runtimeDir: string
  /** Stops all its units and itself, and removes what it left. */
  stop(): Promise<void>
}

/**
 * Starts a `systemd --user` that ends with this process. Needs root.
 * @throws an error that says why there can't be one.
 */
export async function startPrivateManager(): Promise<PrivateManager> {
  const systemd = ['/usr/lib/systemd/systemd', '/lib/systemd/systemd'].find((path) => existsSync(path))
  if (systemd === undefined) throw new Error('systemd is not installed')
  if (process.getuid?.() !== 0) throw new Error('only root can start one of its own')
  findCgroups(PREFIX).filter(isAbandoned).forEach(removeIfEmpty)
  const name = `${runPrefix()}${randomBytes(4).toString('hex')}`
  const directory = mkdtempSync(join(tmpdir(), `${name}-`))
  const cgroups = makeCgroup(name)
  const manager = spawnManager(systemd, directory, cgroups)
  const stop = async (): Promise<void> => {
    await end(manager)
    await removeCgroup(cgroups)
    rmSync(directory, { recursive: true, force: true })
  }
  try {
    const runtimeDir = join(directory, 'run')
    await ready(manager, runtimeDir)
    return { runtimeDir, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

interface Manager {
  readonly child: ChildProcess
  stderr: string
  ended: boolean
}

function spawnManager(systemd: string, directory: string, cgroups: readonly string[]): Manager {
  const runtimeDir = join(directory, 'run')
  mkdirSync(runtimeDir, { mode: 0o700 })
  const child = spawn(
    'unshare',
    ['--mount', '--propagation', 'private', 'sh', '-c', BECOME_MANAGER, 'sh', ...cgroups],
    {
      env: {
        PATH: process.env['PATH'],
        HOME: directory,
        XDG_RUNTIME_DIR: runtimeDir,
        SYSTEMD: systemd,
        LANG: 'C.UTF-8',
      },
      cwd: '/',
      stdio: ['ignore', 'ignore', 'pipe'],
      // A Ctrl-C in the terminal is for the test run: the manager ends with that.
      detached: true,
    },
  )
  const manager: Manager = { child, stderr: '', ended: false }
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    manager.stderr += text
  })
  child.on('error', (error) => {
    manager.stderr += error.message
    manager.ended = true
  })
  child.on('exit', () => {
    manager.ended = true
  })
  return manager
}

async function ready(manager: Manager, runtimeDir: string): Promise<void> {
  await waitFor(() => manager.ended || existsSync(join(runtimeDir, 'systemd', 'private')), {
    what: 'the socket of the systemd user manager',
    limitMs: START_LIMIT_MS,
  })
  if (manager.ended) throw new Error(`systemd --user ended at once: ${manager.stderr.trim()}`)
}

async function end(manager: Manager): Promise<void> {
  const gone = (limitMs: number): Promise<true> =>
    waitFor(() => manager.ended, { what: 'the end of the systemd user manager', limitMs })
  manager.child.kill('SIGTERM')
  await gone(STOP_LIMIT_MS).catch(() => {
    manager.child.kill('SIGKILL')
    return gone(STOP_LIMIT_MS)
  })
}
