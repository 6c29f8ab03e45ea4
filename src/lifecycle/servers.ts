import { LaunchError } from '../errors.ts'
import { programOf } from '../proc.ts'
import { processStart } from '../process-start.ts'
import type { World } from '../world.ts'
import { type Launch, launches, runningLaunches, whyUnseen } from './launches.ts'
import { type ManagerHost, type Systemctl, userManager } from './manager.ts'
import { type Process, ProcessTable, workOf } from './processes.ts'
import { mayBeServed } from './served.ts'
import {
  type ClientUnit,
  type ProcessIdentity,
  parseUnits,
  type ServerUnit,
  SHOWN_PROPERTIES,
  SHOWN_UNITS,
} from './units.ts'
import { type Usage, usageOf } from './usage.ts'

/**
 * - `serving`: its client lives, and so does its leader, or something that the leader has left still has the client's
 *   end of its stdin.
 * - `idle`: the same, and for ten minutes at least neither the leader nor anything that it started was on a CPU
 *   (`withIdleTimes`). A server that wakes up by itself is never idle; whether it is of use can't be told from outside.
 * - `orphaned`: its client has ended, or its leader has and what it left has nobody to serve.
 * - `stopping`: systemd is stopping it.
 * - `unseen`: its processes can't be seen from here (another pid namespace), or it is just ending.
 */
export type State = 'serving' | 'idle' | 'orphaned' | 'stopping' | 'unseen'

/** A server that runs through mcp-launch. */
export interface RunningServer {
  readonly server: string
  /** Of the launcher, and of the server that it became: the leader. */
  readonly pid: number
  /** The leader's; undefined if it has ended. */
  readonly start: number | undefined
  /** Its scope, if it has one that can be seen. */
  readonly unit: string | undefined
  readonly slice: string | undefined
  readonly client: RunningClient | undefined
  /** Whether systemd stops it when its client ends. */
  readonly isBound: boolean
  readonly state: State
  /** Why it is orphaned. */
  readonly why: string | undefined
  /** What it has done so far (`workOf`). */
  readonly work: string | undefined
  /** For how long at least nothing of it was on a CPU; undefined where that can't be told. */
  readonly idleMs?: number
  /** Milliseconds since the epoch. */
  readonly since: number
  /** Which values of its secrets it was started with, by reference, where that is known. */
  readonly held?: Launch['held'] | undefined
  readonly memory: Usage
  readonly tasks: Usage
  /** How long systemd waits between SIGTERM and SIGKILL. */
  readonly stopTimeoutMs: number | undefined
}

export interface RunningClient {
  readonly pid: number
  readonly program: string | undefined
  readonly isAlive: boolean
}

/** What runs at one moment. */
export interface Look {
  readonly servers: readonly RunningServer[]
  readonly clients: readonly ClientUnit[]
  /** What could not be seen, and why. */
  readonly notes: readonly string[]
  readonly systemctl: Systemctl | undefined
}

const SHOW_LIMIT_MS = 10_000

/**
 * Finds every server that runs through mcp-launch: those with a scope from systemd, in one call, and those without
 * from the audit log, whose pid and start time are still that process.
 */
export async function lookAround(world: World, host: ManagerHost): Promise<Look> {
  const manager = userManager(world, host)
  const shown = 'why' in manager ? { complaint: manager.why } : await show(manager)
  const units = 'complaint' in shown ? parseUnits('') : parseUnits(shown.stdout)
  const log = launchesOrWhy(world)
  const view = { world, table: new ProcessTable(world), launches: log.launches }
  const scoped = units.servers.map((unit) => scopedServer(view, unit))
  const known = new Set(scoped.map(({ pid }) => pid))
  const bare = runningLaunches(world, view.launches).filter(({ pid }) => !known.has(pid))
  return {
    servers: [...scoped, ...bare.flatMap((launch) => bareServer(view, launch) ?? [])].sort(
      (a, b) => (a.server < b.server ? -1 : a.server > b.server ? 1 : 0) || a.since - b.since || a.pid - b.pid,
    ),
    clients: units.clients,
    notes: notes(world, 'complaint' in shown ? shown.complaint : undefined, log.why),
    systemctl: 'why' in manager ? undefined : manager,
  }
}

async function show(systemctl: Systemctl): Promise<{ readonly stdout: string } | { readonly complaint: string }> {
  const answer = await systemctl(['show', `--property=${SHOWN_PROPERTIES.join(',')}`, ...SHOWN_UNITS], SHOW_LIMIT_MS)
  return answer.ok ? { stdout: answer.stdout } : { complaint: answer.complaint }
}

function launchesOrWhy(world: World): { readonly launches: Launch[]; readonly why?: string } {
  try {
    return { launches: launches(world) }
  } catch (error) {
    if (error instanceof LaunchError) return { launches: [], why: error.message }
    throw error
  }
}

function notes(world: World, complaint: string | undefined, noLog: string | undefined): string[] {
  const why = whyUnseen(world)
  if (why !== undefined) return [why]
  return [
    ...(complaint === undefined
      ? []
      : [`scopes can't be seen (${complaint}): only the processes of the audit log are told`]),
    ...(noLog === undefined ? [] : [`servers without a scope can't be told from others: ${noLog}`]),
  ]
}

interface View {
  readonly world: World
  readonly table: ProcessTable
  readonly launches: readonly Launch[]
}

function scopedServer(view: View, unit: ServerUnit): RunningServer {
  const { world, table } = view
  const processes = table.inCgroup(unit.cgroup)
  const leader = processes.find(({ pid }) => pid === unit.pid)
  const launch = view.launches.findLast(
    ({ pid, start, unit: own }) => own === unit.unit && pid === unit.pid && (leader ?? { start }).start === start,
  )
  const client = clientOf(world, unit.client, launch)
  const why = leftBehind(world, processes, leader, client)
  return {
    ...{ server: unit.server, pid: unit.pid, start: leader?.start, unit: unit.unit, slice: unit.slice, client },
    ...condition(processes, why, unit.isStopping),
    work: workOf(world, processes),
    since: launch?.since ?? unit.since ?? world.now(),
    held: launch?.held,
    isBound: unit.client !== undefined,
    ...usageOf(world, processes, unit),
    stopTimeoutMs: unit.stopTimeoutMs,
  }
}

function bareServer({ world, table }: View, launch: Launch): RunningServer | undefined {
  const processes = table.tree(launch.pid)
  const [leader] = processes
  if (leader?.start !== launch.start) return undefined
  const client = clientOf(world, undefined, launch)
  return {
    ...{ server: launch.server, pid: launch.pid, start: launch.start, unit: undefined, slice: undefined, client },
    ...condition(processes, leftBehind(world, processes, leader, client), false),
    work: workOf(world, processes),
    since: launch.since,
    held: launch.held,
    isBound: false,
    ...usageOf(world, processes, undefined),
    stopTimeoutMs: undefined,
  }
}

/** Why a server is orphaned; undefined if it isn't, or if nothing of it can be seen. */
function leftBehind(
  world: World,
  processes: readonly Process[],
  leader: Process | undefined,
  client: RunningClient | undefined,
): string | undefined {
  if (processes.length === 0) return undefined
  if (client?.isAlive === false) return `its client (${clientText(client)}) has ended`
  if (leader !== undefined) return undefined
  const pids = processes.map(({ pid }) => pid)
  if (mayBeServed(world, pids, client?.pid)) return undefined
  return `the server itself has ended and left ${processes.length === 1 ? 'a process' : `${processes.length} processes`}`
}

function clientText({ pid, program }: RunningClient): string {
  return program === undefined ? `pid ${pid}` : `${program}, pid ${pid}`
}

function condition(
  processes: readonly Process[],
  why: string | undefined,
  isStopping: boolean,
): Pick<RunningServer, 'state' | 'why'> {
  if (isStopping) return { state: 'stopping', why: undefined }
  if (processes.length === 0) return { state: 'unseen', why: undefined }
  return { state: why === undefined ? 'serving' : 'orphaned', why }
}

/**
 * The process that the scope is bound to, else the one that the audit log names. The log has no start time of the
 * client, and needs none: a parent is older than its child, so a process of that pid that is younger is a stranger.
 */
function clientOf(
  world: World,
  bound: ProcessIdentity | undefined,
  launch: Launch | undefined,
): RunningClient | undefined {
  const pid = bound?.pid ?? launch?.client?.pid
  if (pid === undefined) return undefined
  const latest = bound?.start ?? launch?.start ?? 0
  const isAlive = isThere(world, pid, (start) => (bound === undefined ? start <= latest : start === latest))
  const logged = launch?.client?.pid === pid ? launch.client.program : undefined
  return { pid, program: (isAlive ? programOf(world, pid) : undefined) ?? logged, isAlive }
}

/** Whether a client that is known by pid and start time still runs. */
export function isClientAlive(world: World, { pid, start }: ProcessIdentity): boolean {
  return isThere(world, pid, (own) => own === start)
}

/** A process that lives and isn't in `/proc` (mounted with `hidepid`) can't be told from another: it counts as there. */
function isThere(world: World, pid: number, isIt: (start: number) => boolean): boolean {
  const start = processStart(world, pid)
  if (start !== undefined) return isIt(start)
  const isZombie = world.files.lstat(`/proc/${pid}`) !== undefined
  return !isZombie && world.processes.isAlive(pid)
}
