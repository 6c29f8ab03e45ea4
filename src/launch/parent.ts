import { statOf } from '../proc.ts'
import type { World } from '../world.ts'
import { isStdinHeld } from './stdin.ts'

/**
 * The process that started the launcher: the client. `mainThread` is false if a thread other than its first forked
 * us, and undefined where that can't be told. A `pid` of 0 is nobody: a process of another pid namespace, or one that
 * had ended before we looked.
 */
export interface Parent {
  readonly pid: number
  readonly mainThread: boolean | undefined
  /**
   * The client forked twice to start us (GLib's default), so that it isn't our parent: nobody can tell who it is, and
   * somebody holds the other end of our stdin.
   */
  readonly isDetached?: true
}

/** Why a detached server is bound to nobody. */
export const DETACHED = 'its client started it through a process that has ended'

/**
 * Looks at who forked us. The parent-death signal comes when the forking *thread* ends (prctl(2), PR_SET_PDEATHSIG),
 * so a client that starts servers from a short-lived thread would kill a healthy one. Each thread's own children are
 * listed in `/proc/PID/task/TID/children` (Linux with CONFIG_PROC_CHILDREN).
 */
export function lookAtParent(world: World): Parent {
  const pid = world.parentPid()
  if (world.platform !== 'linux' || pid <= 0) return { pid, mainThread: undefined }
  if (isOrphan(world, pid))
    return { pid: 0, mainThread: undefined, ...(isStdinHeld(world) ? { isDetached: true } : {}) }
  try {
    const children = world.files.read(`/proc/${pid}/task/${pid}/children`).toString('latin1')
    return { pid, mainThread: children.split(' ').includes(String(world.pid)) }
  } catch {
    return { pid, mainThread: undefined }
  }
}

/**
 * A child is in its parent's session unless it leads one of its own. Where that isn't so, the parent is init or
 * another that takes in orphans, and the client is gone. One that takes in orphans of its own session, as the init of a
 * container does, can't be told from a client.
 */
function isOrphan(world: World, parentPid: number): boolean {
  const own = statOf(world, world.pid)
  const parent = statOf(world, parentPid)
  // Another pid namespace's /proc would tell of strangers.
  if (own?.parent !== parentPid || parent === undefined) return false
  return own.session > 0 && own.session !== world.pid && own.session !== parent.session
}
