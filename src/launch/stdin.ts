import type { World } from '../world.ts'

/**
 * Whether another process holds the end that our stdin is fed from. It reads nothing, and looks at all of the user's
 * processes if stdin is a pipe: for the rare launch whose parent isn't the client. False where that can't be told.
 */
export function isStdinHeld(world: World): boolean {
  try {
    const stdin = world.files.readLink('/proc/self/fd/0')
    const [, kind, inode = ''] = /^(socket|pipe):\[(\d+)\]$/.exec(stdin) ?? []
    if (kind === 'socket') return hasPeer(world, inode)
    return kind === 'pipe' && hasWriter(world, stdin)
  } catch {
    return false
  }
}

/** A connected unix socket is referred to by its own file, by the reader of the list, and by its peer while that is open. */
const WITH_PEER = 3

function hasPeer(world: World, inode: string): boolean {
  const sockets = world.files.read('/proc/net/unix').toString('latin1').split('\n')
  const words = sockets.map((line) => line.trim().split(/\s+/)).find((fields) => fields[6] === inode)
  return Number.parseInt(words?.[1] ?? '', 16) >= WITH_PEER
}

function hasWriter(world: World, pipe: string): boolean {
  const others = world.files.list('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== world.pid)
  return others.some((pid) => descriptors(world, pid).some((fd) => isWriting(world, pid, fd, pipe)))
}

function descriptors(world: World, pid: string): readonly string[] {
  try {
    return world.files.list(`/proc/${pid}/fd`)
  } catch {
    // Another user's.
    return []
  }
}

/** The access mode is the last octal digit of `flags:` (proc(5)): 0 only reads. */
function isWriting(world: World, pid: string, fd: string, pipe: string): boolean {
  try {
    if (world.files.readLink(`/proc/${pid}/fd/${fd}`) !== pipe) return false
    return /^flags:\s+[0-7]*[12]$/m.test(world.files.read(`/proc/${pid}/fdinfo/${fd}`).toString('latin1'))
  } catch {
    return false
  }
}
