import { inspectHost } from '../launch/host.ts'
import { userManager } from '../lifecycle/manager.ts'
import { processStart } from '../process-start.ts'
import type { ServerEntry } from '../registry/entry.ts'
import type { World } from '../world.ts'

/** A process for ever: its pid may be another's later. */
export interface Kin {
  readonly pid: number
  readonly start: number
  readonly program: string
}

const GRACE_MS = 1_000
const POLL_MS = 20
const KILL_LIMIT_MS = 5_000
/** What systemd may take beside the time that it gives a server. */
const SYSTEMD_MS = 10_000

/** All that a process has started and that still lives, as `/proc` has it. None where that can't be told. */
export function descendants(world: World, pid: number): Kin[] {
  return childrenOf(world, pid).flatMap((child) => {
    const start = processStart(world, child)
    return start === undefined
      ? []
      : [{ pid: child, start, program: programOf(world, child) }, ...descendants(world, child)]
  })
}

function childrenOf(world: World, pid: number): number[] {
  try {
    return world.files
      .list(`/proc/${pid}/task`)
      .flatMap((thread) => world.files.read(`/proc/${pid}/task/${thread}/children`).toString().split(' '))
      .filter((word) => word !== '')
      .map(Number)
  } catch {
    // It has ended, or the kernel has no such files.
    return []
  }
}

function programOf(world: World, pid: number): string {
  try {
    return world.files.read(`/proc/${pid}/comm`).toString().trim()
  } catch {
    return ''
  }
}

/**
 * Ends what a server has left behind: its scope with all that is in it, and, where it had none, its children.
 *
 * @returns those that lived on for more than a moment after the server.
 */
export async function endLeftovers(
  world: World,
  server: ServerEntry,
  pid: number,
  kin: readonly Kin[],
): Promise<Kin[]> {
  const left = (): Kin[] => kin.filter((one) => processStart(world, one.pid) === one.start)
  const deadline = world.now() + GRACE_MS
  while (left().length > 0 && world.now() < deadline) await world.sleep(POLL_MS)
  const stayed = left()
  await stopScope(world, server, pid)
  const pids = left().map((one) => String(one.pid))
  if (pids.length > 0) {
    const args = ['-c', 'kill -KILL "$@"', 'sh', ...pids]
    await world.processes.run({ file: '/bin/sh', args, env: {}, cwd: '/', timeoutMs: KILL_LIMIT_MS })
  }
  return stayed
}

/** Also of a server that crashed: what it started then has no parent that could be asked. */
async function stopScope(world: World, { name, scope, stopTimeoutMs }: ServerEntry, pid: number): Promise<void> {
  const systemctl = userManager(world, inspectHost(world))
  if (scope === 'off' || 'why' in systemctl) return
  await systemctl(['stop', '--', `mcp-${name}-${pid}.scope`], 2 * stopTimeoutMs + SYSTEMD_MS)
}
