import { proc } from '../proc.ts'
import type { World } from '../world.ts'

/** What holds a socket of a connected pair: it is listed, it is open, and its peer is. */
const CONNECTED_REFERENCES = 3

/**
 * Whether a client may still ask what a server's leader has left: one of these processes has as its stdin a pipe that
 * the client holds too, or a socket whose peer is open. Stdout tells nothing: who has closed a server's stdin, as Node
 * does when the leader has ended, often reads on until the last leftover is gone. What can't be told counts as served.
 *
 * @param client undefined if nobody knows which it is.
 */
export function mayBeServed(world: World, pids: readonly number[], client: number | undefined): boolean {
  return pids.some((pid) => {
    const stdin = link(world, `/proc/${pid}/fd/0`)
    if (stdin === undefined || stdin === '/dev/null') return false
    if (stdin === 'unknown') return true
    if (stdin.startsWith('pipe:')) return client === undefined || holds(world, client, stdin)
    const socket = /^socket:\[(\d+)\]$/.exec(stdin)?.[1]
    return socket === undefined ? !isFile(world, `/proc/${pid}/fd/0`) : isPeerOpen(world, socket)
  })
}

/** What a descriptor refers to; undefined if it is closed, or the process has ended. */
function link(world: World, path: string): string | 'unknown' | undefined {
  try {
    return world.files.readLink(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return code === 'ENOENT' || code === 'ESRCH' ? undefined : 'unknown'
  }
}

/** Nobody can be told at the other end of a terminal or of a pipe with a name. */
function isFile(world: World, path: string): boolean {
  try {
    return world.files.stat(path)?.kind !== 'other'
  } catch {
    return false
  }
}

function holds(world: World, pid: number, pipe: string): boolean {
  try {
    const descriptors = world.files.list(`/proc/${pid}/fd`)
    const links = descriptors.map((descriptor) => link(world, `/proc/${pid}/fd/${descriptor}`))
    // None at all has a process that /proc doesn't show (mounted with `hidepid`).
    return links.length === 0 || links.includes(pipe) || links.includes('unknown')
  } catch {
    return true
  }
}

/** `/proc/net/unix` (proc_net(5)): address, references, protocol, flags, type, state, inode. */
function isPeerOpen(world: World, inode: string): boolean {
  const fields = proc(world, 'net/unix')
    .split('\n')
    .map((line) => line.trim().split(/ +/))
    .find((line) => line[6] === inode)
  // One of another network namespace isn't listed, nor is one of another family.
  return fields === undefined || Number.parseInt(fields[1] ?? '', 16) >= CONNECTED_REFERENCES
}
