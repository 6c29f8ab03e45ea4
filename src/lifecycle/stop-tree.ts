import { processStart } from '../process-start.ts'
import type { World } from '../world.ts'
import { ProcessTable } from './processes.ts'
import type { ProcessIdentity } from './units.ts'

/** What `stopTimeout` is by default (registry). */
export const DEFAULT_STOP_TIMEOUT_MS = 5_000
const KILL_WAIT_MS = 2_000
const POLL_MS = 20
const STEPS = [
  ['SIGTERM', DEFAULT_STOP_TIMEOUT_MS],
  ['SIGKILL', KILL_WAIT_MS],
] as const

/**
 * Stops a server without a scope and all that it and they have started: SIGTERM to each, the leader first, and SIGKILL
 * to what is left. What lost its parent before belongs to init, and isn't known. Just before each signal it is looked
 * at whether the pid is still that process.
 *
 * @returns whether all are gone.
 */
export async function stopTree(world: World, leader: ProcessIdentity): Promise<boolean> {
  let tree: readonly ProcessIdentity[] = [leader]
  const isGone = (): boolean => !tree.some((one) => lives(world, one))
  for (const [signal, waitMs] of STEPS) {
    tree = withDescendants(world, tree)
    for (const one of tree) {
      if (lives(world, one)) world.processes.signal(one.pid, signal)
      // One that is suspended sees no SIGTERM until it is continued.
      if (signal === 'SIGTERM' && lives(world, one)) world.processes.signal(one.pid, 'SIGCONT')
    }
    const limit = world.now() + waitMs
    while (!isGone() && world.now() < limit) await world.sleep(POLL_MS)
    if (isGone()) return true
  }
  return false
}

/** A start of 0 tells nothing. */
function lives(world: World, { pid, start }: ProcessIdentity): boolean {
  return start !== 0 && processStart(world, pid) === start
}

/** Those that still live, each before what it has started, without this process: a server may have started it. */
function withDescendants(world: World, known: readonly ProcessIdentity[]): ProcessIdentity[] {
  const table = new ProcessTable(world)
  const trees = known.filter((one) => table.get(one.pid)?.start === one.start).flatMap(({ pid }) => table.tree(pid))
  return [...new Map(trees.map((one) => [one.pid, one])).values()].filter(({ pid }) => pid !== world.pid)
}
