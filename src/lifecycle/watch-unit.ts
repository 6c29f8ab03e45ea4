import type { World } from '../world.ts'
import type { ProcessIdentity } from './units.ts'

/** A unit file of which each client has an instance, `mcp-client-HASH@PID-START.service`. */
export interface WatchTemplate {
  /** `mcp-client-HASH@`: another text has another name, so that versions of this program don't disturb each other. */
  readonly prefix: string
  readonly text: string
}

/**
 * What the instance runs: it ends when the client has ended, is a zombie, or its pid is another process by now.
 *
 * The shell stays and looks itself, and `tail` only shortens the waiting: of a zombie, and of a pid that is given out
 * again within its half second, `tail` knows nothing, so it is cut off after some seconds; and whoever kills it doesn't
 * end the servers of a client that lives, nor does a moment without a process to be had: a shell would end there, if it
 * weren't for `command eval`. Fields 3, 20 and 22 of `/proc/PID/stat` (state, threads, start), counted from
 * behind the program's name, which may hold anything, lines too (proc(5)). A zombie with more than one thread is a
 * living process whose first thread has ended.
 */
const SCRIPT = `
pid=\${1%%-*} start=\${1#*-} bin=$2
lives() {
  line=
  while read -r part; do line="$line $part"; done < "/proc/$pid/stat"
  set -- \${line##*) }
  case $1\${18} in Z[01] | X*) return 1 ;; esac
  [ "\${20}" = "$start" ]
}
set -- "$bin/tail" --pid="$pid" -s 0.5 -f /dev/null
[ ! -x "$bin/timeout" ] || set -- "$bin/timeout" 4 "$@"
while lives; do
  command eval '"$@"' || [ $? = 124 ] || command eval '"$bin/sleep" 1' || [ -x "$bin/sleep" ] || exit
done
exit 0
`

/** @param bin the directory of `tail`, and of `sleep` and `timeout` of the same package. */
export function watchTemplate(world: World, bin: string): WatchTemplate {
  const text = `# Of mcp-launch: a scope of a server is bound to the instance of its client, and ends with it.
[Unit]
Description=${watchDescription('%i')}
CollectMode=inactive-or-failed

[Service]
ExecStart=/bin/sh -c ${unitWord(SCRIPT.trim())} sh %i ${unitWord(bin)}
Slice=mcp-clients.slice
OOMPolicy=continue
TimeoutStopSec=2s
StandardError=null
`
  return { prefix: `mcp-client-${world.sha256(text).slice(0, 8)}@`, text }
}

/** A pid and its start time are one process for ever: a stranger that gets the same pid has another unit. */
export function watchUnit({ prefix }: WatchTemplate, { pid, start }: ProcessIdentity): string {
  return `${prefix}${pid}-${start}.service`
}

/** The second form is that of servers that an earlier version started. */
const WATCH_UNIT = /^mcp-client-(?:[0-9a-f]{8}@)?([1-9]\d*)-(\d+)\.service$/

/** The client whose watch a unit is, by its name. */
export function watchedClient(unit: string): ProcessIdentity | undefined {
  const [, pid, start] = WATCH_UNIT.exec(unit) ?? []
  return pid === undefined ? undefined : { pid: Number(pid), start: Number(start) }
}

/** @param instance `PID-START`. */
export function watchDescription(instance: string): string {
  return `MCP client ${instance}, for its servers`
}

/** A word of a command line in a unit's file (systemd.service(5), "Command lines"; systemd.unit(5), "Specifiers"). */
export function unitWord(word: string): string {
  const escaped = word.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
  return `"${escaped.replaceAll('%', '%%').replaceAll('$', '$$$$')}"`
}
