import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { cgroupOf } from './cgroup.ts'
import { start } from './launched.ts'
import { startPrivateManager } from './private-manager.ts'
import type { Unavailable } from './unavailable.ts'

/** The systemd user manager that a test run works with. */
export type UserManager =
  | {
      /** What to give a program as `XDG_RUNTIME_DIR`. */
      readonly runtimeDir: string
      /** `session` was there before; `private` was started for this run. */
      readonly kind: 'session' | 'private'
      /** Whether limits of scopes bite: systemd accepts them without the kernel's controllers too. */
      readonly limits: boolean
    }
  | Unavailable

/** Why limits can't be tested with this manager; undefined if they can. */
export function withoutLimits(manager: UserManager): string | undefined {
  return 'limits' in manager && !manager.limits
    ? 'the systemd user manager has no memory and pids controllers'
    : undefined
}

/** Finds a systemd user manager that works, or starts one. `stop` ends one that was started. Never throws. */
export async function openUserManager(): Promise<{ manager: UserManager; stop(): Promise<void> }> {
  const session = await findSession()
  if (session !== undefined) return { manager: session, stop: nothing }
  try {
    const { runtimeDir, stop } = await startPrivateManager()
    const limits = await probe(runtimeDir).catch(async (error: unknown) => {
      await stop()
      throw error
    })
    return { manager: { runtimeDir, kind: 'private', limits }, stop }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return { manager: { unavailable: `no systemd user manager: ${why}` }, stop: nothing }
  }
}

/**
 * The beginning of an argv that runs a command where the manager's socket is at /run/user/<uid>, the place that a
 * program looks at when nobody told it `XDG_RUNTIME_DIR`. Nothing changes outside that command. A private manager
 * needs root for it, which had to be there to start it.
 */
export function withManagerAtRunUser(manager: { runtimeDir: string }, uid = process.getuid?.() ?? 0): string[] {
  const place = `/run/user/${uid}`
  if (manager.runtimeDir === place) return []
  return ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', AT_RUN_USER, 'sh', manager.runtimeDir, place]
}

/** On a tmpfs, so that no mount point is made or removed under the eyes of another run. */
const AT_RUN_USER = `
set -eu
from=$1 to=$2
shift 2
[ -d /run/user ] || mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/user
exec 9<"$from"
mount -t tmpfs -o mode=755 tmpfs /run/user
mkdir -m 700 "$to"
mount --bind /proc/self/fd/9 "$to"
exec 9<&-
exec "$@"
`

async function findSession(): Promise<UserManager | undefined> {
  const candidates = [process.env['XDG_RUNTIME_DIR'], `/run/user/${process.getuid?.()}`]
  for (const runtimeDir of new Set(candidates)) {
    if (runtimeDir === undefined || !existsSync(join(runtimeDir, 'systemd', 'private'))) continue
    const limits = await probe(runtimeDir).catch(() => undefined)
    if (limits !== undefined) return { runtimeDir, kind: 'session', limits }
  }
  return undefined
}

/**
 * Makes a scope, and says whether its limits bite.
 * @throws an error with what systemd-run said, if there is no scope.
 */
async function probe(runtimeDir: string): Promise<boolean> {
  const scope = ['systemd-run', '--user', '--scope', '--quiet', '--collect', '-p', 'MemoryMax=1G', '-p', 'TasksMax=100']
  const argv = [...scope, 'sh', '-c', 'echo ready; read -r line']
  const probing = await start({ argv, env: { PATH: process.env['PATH'] ?? '', XDG_RUNTIME_DIR: runtimeDir }, cwd: '/' })
  try {
    await probing.firstLine()
    return hasLimits(probing.pid)
  } catch (cause) {
    throw new Error(`systemd-run: ${probing.stderr().trim()}`, { cause })
  } finally {
    probing.kill('SIGKILL')
    await probing.exited
  }
}

function hasLimits(pid: number): boolean {
  try {
    const cgroup = cgroupOf(pid)
    return [cgroup.memoryMax(), cgroup.tasksMax()].every(Number.isFinite)
  } catch {
    return false
  }
}

async function nothing(): Promise<void> {}
