import { errnoWords } from '../errors.ts'
import { processStart } from '../process-start.ts'
import { type Lock, tryLock } from '../secrets/cache/lock.ts'
import type { World } from '../world.ts'

/**
 * The unit that lives as long as a client's process. Every scope of that client's servers is bound to it, so that
 * systemd stops them all, with everything they started, when the client goes, however it goes.
 */
export interface ClientWatch {
  readonly unit: string
}

/** Why there is none. */
export interface NoWatch {
  readonly why: string
}

/** A client to be watched, and what for. */
export interface WatchInput {
  readonly clientPid: number
  readonly runtimeDirectory: string
  readonly slice: string
  readonly tools: { readonly 'systemd-run': string; readonly tail: string }
}

const START_TIMEOUT_MS = 5_000
const WAIT_MS = 1_500
const POLL_MS = 5

/**
 * Makes sure that this client is watched. A client's first server costs one `systemd-run`; of several that start at
 * once one makes the watch and the others wait for it; after that it costs a few reads of `/proc`.
 */
export async function watchClient(world: World, input: WatchInput): Promise<ClientWatch | NoWatch> {
  const start = processStart(world, input.clientPid)
  if (start === undefined) return gone(input.clientPid)
  const watch = { unit: watchUnit(input.clientPid, start) }
  const directory = `${input.runtimeDirectory}/mcp-launch/clients`
  const marker = `${directory}/${input.clientPid}.${start}`
  if (isWatched(world, marker, input.clientPid)) return watch
  try {
    world.files.makeDirectory(directory)
    return await makeWatch(world, input, watch, { marker, start })
  } catch (error) {
    return { why: `${directory}: ${errnoWords(error)}` }
  }
}

/** What {@link watchClient} would give, without making anything: for `explain`. */
export function foreseeWatch(world: World, { clientPid }: WatchInput): Promise<ClientWatch | NoWatch> {
  const start = processStart(world, clientPid)
  return Promise.resolve(start === undefined ? gone(clientPid) : { unit: watchUnit(clientPid, start) })
}

function gone(clientPid: number): NoWatch {
  return { why: `client ${clientPid} has ended, or can't be seen` }
}

/** A pid and its start time are one process for ever: a stranger that gets the same pid has another unit. */
export function watchUnit(clientPid: number, start: number): string {
  return `mcp-client-${clientPid}-${start}.service`
}

async function makeWatch(
  world: World,
  input: WatchInput,
  watch: ClientWatch,
  client: { readonly marker: string; readonly start: number },
): Promise<ClientWatch | NoWatch> {
  const limit = world.now() + WAIT_MS
  while (world.now() < limit) {
    const lock = tryLock(world, `${client.marker}.lock`)
    if (lock !== undefined) return await startWatch(world, input, watch, client, lock)
    await world.sleep(POLL_MS)
    if (isWatched(world, client.marker, input.clientPid)) return watch
  }
  return { why: 'the watch of the client was not ready in time' }
}

async function startWatch(
  world: World,
  input: WatchInput,
  watch: ClientWatch,
  { marker, start }: { readonly marker: string; readonly start: number },
  lock: Lock,
): Promise<ClientWatch | NoWatch> {
  try {
    if (isWatched(world, marker, input.clientPid)) return watch
    const { end, stderr } = await world.processes.run({
      file: input.tools['systemd-run'],
      args: watchArguments(input, watch.unit, marker, start),
      env: { LC_ALL: 'C', XDG_RUNTIME_DIR: input.runtimeDirectory },
      cwd: '/',
      timeoutMs: START_TIMEOUT_MS,
    })
    if (end.kind !== 'exit' || end.code !== 0) {
      return { why: stderr.trim().split('\n').at(-1)?.slice(0, 200) || 'systemd-run failed' }
    }
    return await untilWatched(world, input, watch, marker)
  } finally {
    lock.release()
  }
}

async function untilWatched(
  world: World,
  { clientPid }: WatchInput,
  watch: ClientWatch,
  marker: string,
): Promise<ClientWatch | NoWatch> {
  const limit = world.now() + WAIT_MS
  while (world.now() < limit) {
    if (isWatched(world, marker, clientPid)) return watch
    await world.sleep(POLL_MS)
  }
  return { why: 'the watch of the client ended at once' }
}

/** The marker holds the watcher's pid; its command line tells that it is one, and of which client. */
function isWatched(world: World, marker: string, clientPid: number): boolean {
  try {
    const pid = Number(world.files.read(marker).toString('latin1'))
    if (!(pid > 0) || processStart(world, pid) === undefined) return false
    return world.files.read(`/proc/${pid}/cmdline`).toString('latin1').split('\0').includes(`--pid=${clientPid}`)
  } catch {
    return false
  }
}

/** `systemd-run` for the watch: it ends when the client has ended, or at once if that pid is another process by now. */
export function watchArguments(
  { clientPid, slice, tools }: WatchInput,
  unit: string,
  marker: string,
  start: number,
): string[] {
  const script = [
    // Field 22 of /proc/PID/stat, counted from behind the program's name, which may hold anything (proc(5)).
    `read -r line < /proc/${clientPid}/stat || exit 0`,
    `set -- \${line##*) }`,
    `[ "\${20}" = ${start} ] || exit 0`,
    `echo $$ > ${quoted(`${marker}.new`)} && mv ${quoted(`${marker}.new`)} ${quoted(marker)} || exit 1`,
    `exec ${quoted(tools.tail)} --pid=${clientPid} -s 0.5 -f /dev/null`,
  ].join('\n')
  return [
    ...['--user', '--quiet', '--collect', `--unit=${unit}`, `--slice=${slice}`],
    `--description=MCP client ${clientPid}, for its servers`,
    ...['-p', 'Type=exec', '-p', `ExecStopPost=/bin/rm -f ${unitWord(marker)}`],
    ...['--', '/bin/sh', '-c', script.replaceAll('$', '$$$$')],
  ]
}

function quoted(path: string): string {
  return `'${path.replaceAll("'", String.raw`'\''`)}'`
}

/** A word of a unit's command line (systemd.service(5), "Command lines"): `%` and `$` stand for themselves doubled. */
function unitWord(word: string): string {
  const escaped = word.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%').replaceAll('$', '$$$$')
  return `"${escaped}"`
}
