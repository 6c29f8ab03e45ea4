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

export function logFile(world: World, server: string): string {
  return `${stateDirectory(world)}/logs/${server}.log`
}

/** The name under which `logs: journal` writes: `journalctl -t mcp-SERVER`. */
export function journalTag(server: string): string {
  return `mcp-${server}`
}

/**
 * `sh` that puts the copying process in place and becomes the server. What ends the server's process group does not end
 * the copying before the last line. Where that can't be had (no mkfifo, a full disk)
 * the server starts without it: no log is better than no server.
 */
const COPY = `fifo=$1 log=$2 tag=$3; shift 3
command -v tee >/dev/null && mkfifo -m 600 "$fifo" 2>/dev/null || exec "$@"
if [ -n "$tag" ]; then
  command -v systemd-cat >/dev/null && mkfifo -m 600 "$log" 2>/dev/null || { rm -f "$fifo"; exec "$@"; }
  (exec <"$log" >/dev/null 2>&1; rm -f "$log"; exec systemd-cat -t "$tag") &
fi
(umask 077; trap '' HUP INT TERM; tee -p </dev/null >/dev/null 2>&1 && p=-p; exec tee -a $p "$log" <"$fifo" >&2) &
exec 2>"$fifo"
rm -f "$fifo"
exec "$@"`

/** The words before the command, none for a server without `logs`. */
export function copyArguments(world: World, server: ServerEntry): string[] {
  const { logs, name } = server
  if (logs === 'off') return []
  const file = logFile(world, name)
  const fifo = `${file}.${world.pid}.fifo`
  const [log, tag] = logs === 'file' ? [file, ''] : [`${fifo}.journal`, journalTag(name)]
  return ['/bin/sh', '-c', COPY, 'sh', fifo, log, tag]
}

/** Makes the directory and turns a log that has grown too large. A log that can't be written stops nothing. */
export function prepareLog(world: World, server: Pick<ServerEntry, 'name' | 'logs'>): void {
  if (server.logs === 'off') return
  const file = logFile(world, server.name)
  try {
    world.files.makeDirectory(dirname(file))
    if ((world.files.stat(file)?.size ?? 0) > LARGEST_BYTES) world.files.rename(file, `${file}.1`)
  } catch {
    // The script finds out by itself.
  }
}
