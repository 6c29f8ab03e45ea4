import { dirname } from 'node:path'
import { complaintOf } from '../complaint.ts'
import { LaunchError } from '../errors.ts'
import { tryLock } from '../lock.ts'
import { processStart } from '../process-start.ts'
import type { World } from '../world.ts'
import { clientDescription } from './units.ts'

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

/** A client's process and all that belongs to its watch. */
interface Client {
  readonly pid: number
  readonly start: number
  readonly unit: string
  /** Holds the watcher's pid, to find it by; it is only a short cut, for the unit is what counts. */
  readonly marker: string
}

const START_TIMEOUT_MS = 5_000
/** As long as the one that makes the watch may take. */
const TURN_MS = START_TIMEOUT_MS
const WAIT_MS = 1_500
const POLL_MS = 5
const LONGEST_POLL_MS = 100

/**
 * Makes sure that this client is watched. A client's first server costs one `systemd-run`; of several that start at
 * once one makes the watch and the others wait for it; after that it costs a few reads of `/proc`.
 *
 * @throws if the client has ended meanwhile: nobody is left whom a server could serve.
 */
export async function watchClient(world: World, input: WatchInput): Promise<ClientWatch | NoWatch> {
  const client = lookAtClient(world, input)
  const watch = client === undefined ? unseen(input) : await findOrMake(world, input, client)
  if ('unit' in watch || world.parentPid() === input.clientPid) return watch
  throw new LaunchError('failure', {
    what: "won't start a server",
    why: `its client (pid ${input.clientPid}) has ended`,
  })
}

/** What {@link watchClient} would give, without making anything: for `explain`. */
export function foreseeWatch(world: World, input: WatchInput): Promise<ClientWatch | NoWatch> {
  const client = lookAtClient(world, input)
  return Promise.resolve(client === undefined ? unseen(input) : { unit: client.unit })
}

function unseen({ clientPid }: WatchInput): NoWatch {
  return { why: `client ${clientPid} has ended, or can't be seen` }
}

function lookAtClient(world: World, { clientPid, runtimeDirectory }: WatchInput): Client | undefined {
  const start = processStart(world, clientPid)
  if (start === undefined) return undefined
  const marker = `${runtimeDirectory}/mcp-launch/clients/${clientPid}.${start}`
  return { pid: clientPid, start, unit: watchUnit(clientPid, start), marker }
}

/** A pid and its start time are one process for ever: a stranger that gets the same pid has another unit. */
export function watchUnit(clientPid: number, start: number): string {
  return `mcp-client-${clientPid}-${start}.service`
}

async function findOrMake(world: World, input: WatchInput, client: Client): Promise<ClientWatch | NoWatch> {
  if (isMarked(world, client)) return { unit: client.unit }
  const release = await takeTurn(world, client)
  try {
    return isMarked(world, client) ? { unit: client.unit } : await startWatch(world, input, client)
  } finally {
    release()
  }
}

/** Where no lock can be had, several may try: systemd starts a unit of one name only once. */
async function takeTurn(world: World, client: Client): Promise<() => void> {
  const limit = world.now() + TURN_MS
  try {
    world.files.makeDirectory(dirname(client.marker))
    while (world.now() < limit) {
      const lock = tryLock(world, `${client.marker}.lock`, START_TIMEOUT_MS + 2 * WAIT_MS)
      if (lock !== undefined) return () => lock.release()
      await world.sleep(POLL_MS)
      if (isMarked(world, client)) break
    }
  } catch {
    // A directory that can't be written: read-only, or full.
  }
  return () => {}
}

async function startWatch(world: World, input: WatchInput, client: Client): Promise<ClientWatch | NoWatch> {
  const finished = await world.processes.run({
    file: input.tools['systemd-run'],
    args: watchArguments(input, client.unit, client.marker, client.start),
    env: { LC_ALL: 'C', XDG_RUNTIME_DIR: input.runtimeDirectory },
    cwd: '/',
    timeoutMs: START_TIMEOUT_MS,
  })
  if (finished.end.kind === 'exit' && finished.end.code === 0) return untilWatched(world, client)
  // It is refused if the unit is there: made at this moment, or its marker was removed.
  if (isRunning(world, client)) return { unit: client.unit }
  return { why: complaintOf('systemd-run', finished) }
}

async function untilWatched(world: World, client: Client): Promise<ClientWatch | NoWatch> {
  const limit = world.now() + WAIT_MS
  for (let pause = POLL_MS; world.now() < limit; pause = Math.min(pause * 2, LONGEST_POLL_MS)) {
    if (isMarked(world, client) || isRunning(world, client)) return { unit: client.unit }
    await world.sleep(pause)
  }
  return { why: 'the watch of the client ended at once' }
}

function isMarked(world: World, client: Client): boolean {
  try {
    return isWatcher(world, Number(world.files.read(client.marker).toString('latin1')), client)
  } catch {
    return false
  }
}

/** Looks at all processes, which needs no marker, and marks the watcher for the next launch. */
function isRunning(world: World, client: Client): boolean {
  const pid = world.files
    .list('/proc')
    .map(Number)
    .find((candidate) => isWatcher(world, candidate, client))
  if (pid === undefined) return false
  try {
    world.files.writeWhole(client.marker, String(pid))
  } catch {
    // It is looked for again.
  }
  return true
}

/** A process in the unit's own cgroup that watches this client; nobody else's has both. */
function isWatcher(world: World, pid: number, client: Client): boolean {
  if (!(pid > 0)) return false
  try {
    const groups = world.files.read(`/proc/${pid}/cgroup`).toString('latin1').split('\n')
    if (!groups.some((group) => group.endsWith(`/${client.unit}`))) return false
    const words = world.files.read(`/proc/${pid}/cmdline`).toString('latin1').split('\0')
    return words.includes(`--pid=${client.pid}`) && processStart(world, pid) !== undefined
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
    `echo $$ > ${quoted(marker)}`,
    `exec ${quoted(tools.tail)} --pid=${clientPid} -s 0.5 -f /dev/null`,
  ].join('\n')
  // Of the same package as `tail`, which is not in /bin everywhere.
  const remove = `-${dirname(tools.tail)}/rm -f`
  return [
    ...['--user', '--quiet', '--collect', `--unit=${unit}`, `--slice=${slice}`],
    `--description=${clientDescription(clientPid)}`,
    ...['-p', 'Type=exec', '-p', `ExecStopPost=${remove} ${unitWord(marker)} ${unitWord(`${marker}.lock`)}`],
    ...['--', '/bin/sh', '-c', script.replaceAll('$', '$$$$')],
  ]
}

function quoted(path: string): string {
  return `'${path.replaceAll("'", String.raw`'\''`)}'`
}

/**
 * A word of a command line in a property (systemd.service(5), "Command lines"): `$` stands for itself doubled. Unlike in
 * a unit's file, `%` is nothing special.
 */
function unitWord(word: string): string {
  return `"${word.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('$', '$$$$')}"`
}
