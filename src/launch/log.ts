import { dirname } from 'node:path'
import { stateDirectory } from '../directories.ts'
import type { ServerEntry } from '../registry/entry.ts'
import type { World } from '../world.ts'

/*
 * A server's stderr goes to its client, and with `logs` to a file or the journal as well. That takes a process that
 * copies (`tee`), which lives in the server's scope and ends with the last one that holds its stderr; stdin and stdout
 * are untouched, and the server keeps the pid.
 */

/** Beyond this, the next launch begins a new file and keeps this one as `.1`. */
const LARGEST_BYTES = 5 * 1024 * 1024

/** What a file takes at most: nobody stays to turn it while its server runs. What comes then is the client's alone. */
const FULL_BYTES = 2 * LARGEST_BYTES

/** POSIX has `ulimit -f` count in these. */
const BLOCK_BYTES = 512

export function logFile(world: World, server: string): string {
  return `${stateDirectory(world)}/logs/${server}.log`
}

/** The name under which `logs: journal` writes: `journalctl -t mcp-SERVER`. */
export function journalTag(server: string): string {
  return `mcp-${server}`
}

/**
 * `sh` that puts the copying process in place and becomes the server. The pipe between them is opened for both before
 * either is there, so that none waits for the other. What ends the server's process group does not end the copying
 * before the last line. A full or broken log is no reason for `tee` not to go on with the client, so it heeds no signal
 * of one; the limit would hold for a client's stderr that is a file as well, and is then another process's.
 *
 * Where that can't be had (no mkfifo, a full disk, no process left of `tasksMax`) the server starts without it: no log
 * is better than no server. `command eval` survives a fork that fails, in dash at least. There are no variables: one
 * that the client has exported would reach the server changed.
 */
const COPY = `
quietly() { umask 077; trap '' HUP INT TERM PIPE XFSZ; exec 5>&-; }
full() { ulimit -f ${FULL_BYTES / BLOCK_BYTES}; }
keep() { [ -z "$2" ] || exec systemd-cat -t "$2"; full; exec cat >>"$1"; }
copy() {
  command -v tee >/dev/null && mkfifo -m 600 "$1" 2>/dev/null || return
  exec 3<>"$1" 4<"$1" 5>"$1" 3>&-
  rm -f "$1"
  if [ -n "$3" ] || [ -f /dev/fd/2 ]; then
    (quietly; exec tee -a /dev/fd/3 <&4 4<&- 3>&1 >&2 2>/dev/null) | (quietly; exec 4<&- >/dev/null 2>&1; keep "$2" "$3") &
  else
    (quietly; full; exec tee -a "$2" <&4 4<&- >&2 2>/dev/null) &
  fi
}
command eval 'copy "$1" "$2" "$3"' && exec 2>&5
exec 4<&- 5>&-
shift 3
exec "$@"`

/** The words before the command, none for a server without `logs`. */
export function copyArguments(world: World, server: ServerEntry): string[] {
  const { logs, name } = server
  if (logs === 'off') return []
  const tag = logs === 'file' ? '' : journalTag(name)
  return ['/bin/sh', '-c', COPY, 'sh', fifoOf(world, name), logFile(world, name), tag]
}

function fifoOf(world: World, server: string): string {
  return `${logFile(world, server)}.${world.pid}.fifo`
}

/**
 * Makes the directory, turns a log that has grown too large, and removes what a launch with our pid left that was killed
 * between two words of the script. A log that can't be written stops nothing.
 */
export function prepareLog(world: World, server: Pick<ServerEntry, 'name' | 'logs'>): void {
  if (server.logs === 'off') return
  const file = logFile(world, server.name)
  try {
    world.files.makeDirectory(dirname(file))
    world.files.remove(fifoOf(world, server.name))
    if ((world.files.stat(file)?.size ?? 0) > LARGEST_BYTES) world.files.rename(file, `${file}.1`)
  } catch {
    // The script finds out by itself.
  }
}
