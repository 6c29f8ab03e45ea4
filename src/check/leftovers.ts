import { inspectHost } from '../launch/host.ts'
import { userManager } from '../lifecycle/manager.ts'
import { processStart } from '../process-start.ts'
import type { ServerEntry } from '../registry/entry.ts'
import { CHECK_MARK, type World } from '../world.ts'

/** A process for ever: its pid may be another's later. */
export interface Kin {
  readonly pid: number
  readonly start: number
  readonly program: string
}

const GRACE_MS = 1_000
const POLL_MS = 50
/** What forks while it is killed is killed in the next round. */
const ROUNDS = 10
const KILL_LIMIT_MS = 5_000
/** What systemd may take beside the time that it gives a server. */
const SYSTEMD_MS = 10_000

/** A server that is to be ended with all that it has started. */
export interface Started {
  readonly pid: number
  /** What was its own before it ended. */
  readonly kin: readonly Kin[]
  /** What `CHECK_MARK` has in its environment, and in that of all that it has started. */
  readonly mark: string
}

/** All that a process has started and that still lives, as `/proc` has it. None where that can't be told. */
export function descendants(world: World, pid: number): Kin[] {
  return childrenOf(world, pid).flatMap((child) => [...kinOf(world, child), ...descendants(world, child)])
}

/** Where there is such a process, what it is for ever. */
function kinOf(world: World, pid: number): Kin[] {
  const start = processStart(world, pid)
  return start === undefined ? [] : [{ pid, start, program: programOf(world, pid) }]
}

function childrenOf(world: World, pid: number): number[] {
  return namesIn(world, `/proc/${pid}/task`)
    .flatMap((thread) => textOf(world, `/proc/${pid}/task/${thread}/children`).split(' '))
    .filter((word) => word !== '')
    .map(Number)
}

/** What has the mark in its environment: also what has lost its parents, in whatever session. */
function marked(world: World, mark: string): Kin[] {
  const variable = `\0${CHECK_MARK}=${mark}\0`
  return namesIn(world, '/proc')
    .filter((name) => /^\d+$/.test(name) && `\0${textOf(world, `/proc/${name}/environ`)}`.includes(variable))
    .flatMap((pid) => kinOf(world, Number(pid)))
}

function namesIn(world: World, directory: string): readonly string[] {
  try {
    return world.files.list(directory)
  } catch {
    return []
  }
}

/** Nothing of what has ended meanwhile or is another user's, or where the kernel has no such files. */
function textOf(world: World, path: string): string {
  try {
    return world.files.read(path).toString('latin1')
  } catch {
    return ''
  }
}

function programOf(world: World, pid: number): string {
  return textOf(world, `/proc/${pid}/comm`).trim()
}

/**
 * Ends what a server has left behind: its scope with all that is in it, its children, and what has its mark.
 *
 * @returns those that lived on for more than a moment after the server.
 */
export async function endLeftovers(world: World, server: ServerEntry, { pid, kin, mark }: Started): Promise<Kin[]> {
  const left = (): Kin[] => {
    const alive = [...kin.filter((one) => processStart(world, one.pid) === one.start), ...marked(world, mark)]
    return [...new Map(alive.map((one) => [one.pid, one])).values()]
  }
  const deadline = world.now() + GRACE_MS
  while (left().length > 0 && world.now() < deadline) await world.sleep(POLL_MS)
  const stayed = left()
  await stopScope(world, server, pid)
  for (let round = 0, rest = left(); rest.length > 0 && round < ROUNDS; round += 1, rest = left()) {
    const args = ['-c', 'kill -KILL "$@"', 'sh', ...rest.map((one) => String(one.pid))]
    await world.processes.run({ file: '/bin/sh', args, env: {}, cwd: '/', timeoutMs: KILL_LIMIT_MS })
    await world.sleep(POLL_MS)
  }
  return stayed
}

/** Also of a server that crashed: what it started then has no parent that could be asked. */
async function stopScope(world: World, { name, scope, stopTimeoutMs }: ServerEntry, pid: number): Promise<void> {
  const systemctl = userManager(world, inspectHost(world))
  if (scope === 'off' || 'why' in systemctl) return
  await systemctl(['stop', '--', `mcp-${name}-${pid}.scope`], 2 * stopTimeoutMs + SYSTEMD_MS)
}
