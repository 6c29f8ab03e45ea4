import type { World } from '../world.ts'

/**
 * The process that started the launcher: the client. `mainThread` is false if a thread other than its first forked
 * us, and undefined where that can't be told.
 */
export interface Parent {
  readonly pid: number
  readonly mainThread: boolean | undefined
}

/**
 * Looks at who forked us. The parent-death signal comes when the forking *thread* ends (prctl(2), PR_SET_PDEATHSIG),
 * so a client that starts servers from a short-lived thread would kill a healthy one. Each thread's own children are
 * listed in `/proc/PID/task/TID/children` (Linux with CONFIG_PROC_CHILDREN).
 */
export function lookAtParent(world: World): Parent {
  const pid = world.parentPid()
  if (world.platform !== 'linux' || pid <= 0) return { pid, mainThread: undefined }
  try {
    const children = world.files.read(`/proc/${pid}/task/${pid}/children`).toString('latin1')
    return { pid, mainThread: children.split(' ').includes(String(world.pid)) }
  } catch {
    return { pid, mainThread: undefined }
  }
}
