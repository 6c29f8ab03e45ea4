import type { SystemTool } from '../build.ts'
import { complaintOf } from '../complaint.ts'
import { configHome } from '../directories.ts'
import { bindingTo, type ClientWatch, NO_SCOPE, type NoWatch } from '../lifecycle/client-watch.ts'
import { statOf } from '../programs.ts'
import type { Environment, Finished, World } from '../world.ts'
import type { Host } from './host.ts'
import { TrialMemory } from './trial-memory.ts'

/** What came of trying the parts of a launch plan on this machine with a command that does nothing. */
export interface Trial {
  readonly env: Attempt
  /** Of setting back the limit of open files; undefined also where there is nothing to set back. */
  readonly prlimit: Attempt
  readonly setpriv: Attempt
  readonly scope: Attempt
  /** Binding the scope to a watch: undefined also where none was asked for. */
  readonly watch: Attempt
  /** systemd ≥ 254 expands `${NAME}` in a scope's command line unless told not to, and 252 doesn't know the flag. */
  readonly expandEnvironmentFlag: boolean
}

/** Undefined: it works. Else the reason why not, in a few words. */
export type Attempt = string | undefined

export interface ScopeRequest {
  readonly slice: string
  /** `Name=value` as `systemd-run --property` takes it. */
  readonly properties: readonly string[]
}

export const DEFAULT_SIGNALS = '--default-signal=PIPE,XFSZ'
export const EXPAND_ENVIRONMENT_OFF = '--expand-environment=no'
/** The soft limit alone (prlimit(1)). */
export const openFiles = (limit: number): string => `--nofile=${limit}:`
const TRIAL_TIMEOUT_MS = 5_000
const DAY_MS = 86_400_000
const NOTHING = ['/bin/sh', '-c', ':'] as const

/**
 * Once the launcher has become `systemd-run` there is no way back, so each part is tried first: the scope with the
 * very properties of this server, on the manager that listens now, and bound to a watch. What came of it is remembered
 * until a tool, the manager, its unit files, our namespaces, the boot or the day changes; a scope that could not be had
 * is tried again at the next launch.
 *
 * @param request undefined if the server wants no scope.
 * @param anew nothing is taken from memory, and what doesn't work any more is forgotten.
 */
export async function tryParts(
  world: World,
  host: Host,
  request: ScopeRequest | undefined,
  watch: ClientWatch | NoWatch,
  { anew = false }: { readonly anew?: boolean } = {},
): Promise<Trial> {
  const memory = new TrialMemory(world, { anew })
  const [env, prlimit, setpriv, scope] = await Promise.all([
    tryTool(world, host, memory, 'env', [DEFAULT_SIGNALS]),
    host.openFiles === undefined ? undefined : tryTool(world, host, memory, 'prlimit', [openFiles(host.openFiles)]),
    tryTool(world, host, memory, 'setpriv', ['--pdeathsig', 'TERM']),
    request === undefined ? noScope('switched off') : tryScope(world, host, memory, request, watch),
  ])
  memory.save()
  const { failure, watchFailure, flag } = scope
  return { env, prlimit, setpriv, scope: failure, watch: watchFailure, expandEnvironmentFlag: flag !== '' }
}

async function tryTool(
  world: World,
  host: Host,
  memory: TrialMemory,
  tool: SystemTool,
  args: readonly string[],
): Promise<Attempt> {
  const file = host.tools[tool]
  if (file === undefined) return host.platform === 'linux' ? `no ${tool} here` : `${host.platform} has none that fits`
  const key = memory.key([tool, args], [file])
  const known = memory.recall(key)
  if (known !== undefined) return known === '' ? undefined : known
  const finished = await runTrial(world, file, [...args, ...NOTHING], {})
  const failure = failureOf(finished, tool)
  // What it said itself is lasting; that it was slow, or killed, is this moment's.
  if (finished.end.kind === 'exit') memory.keep(key, failure ?? '')
  return failure
}

interface ScopeAttempt {
  readonly failure: Attempt
  /** Why the scope can't be bound to a watch, although it could be had. */
  readonly watchFailure: Attempt
  /** The flag that this `systemd-run` wants, or ''. */
  readonly flag: string
}

function noScope(failure: string): ScopeAttempt {
  return { failure, watchFailure: undefined, flag: '' }
}

async function tryScope(
  world: World,
  host: Host,
  memory: TrialMemory,
  request: ScopeRequest,
  watch: ClientWatch | NoWatch,
): Promise<ScopeAttempt> {
  const file = host.tools['systemd-run']
  if (!host.manager.listening) return noScope(host.manager.why)
  if (file === undefined) return noScope('no systemd-run here')
  const about = ['unit' in watch ? watch.prefix : '', request, Math.floor(world.now() / DAY_MS), namespaces(world)]
  const key = memory.key(about, [file, host.manager.socket, ...unitDirectories(world, host)])
  const known = memory.recall(key)
  if (known !== undefined && isListenedOn(world, host.manager.socket))
    return { failure: undefined, watchFailure: undefined, flag: known }
  const attempt = await tryBound(world, host, file, request, watch)
  if (attempt.failure ?? attempt.watchFailure) memory.forget(key)
  else memory.keep(key, attempt.flag)
  return attempt
}

/** Twice before it is left unbound: a watch that somebody stops at this moment takes the trial along. */
async function tryBound(
  world: World,
  host: Host,
  file: string,
  request: ScopeRequest,
  watch: ClientWatch | NoWatch,
): Promise<ScopeAttempt> {
  const bound = await tryFlags(world, host, file, request, watch)
  if (bound.failure === undefined || bound.isSilent || 'why' in watch) return bound
  const unbound = await tryFlags(world, host, file, request, NO_SCOPE)
  if (unbound.failure !== undefined) return unbound
  const again = await tryFlags(world, host, file, request, watch)
  return again.failure === undefined ? again : { ...unbound, watchFailure: again.failure }
}

/** Without the flag where this `systemd-run` doesn't know it. */
async function tryFlags(
  world: World,
  host: Host,
  file: string,
  request: ScopeRequest,
  watch: ClientWatch | NoWatch,
  flag = EXPAND_ENVIRONMENT_OFF,
): Promise<ScopeAttempt & { readonly isSilent: boolean }> {
  const unit = `mcp-trial-${host.pid}-${world.now()}.scope`
  const properties = [...request.properties, ...bindingTo(watch)]
  const args = scopeArguments(unit, 'mcp-launch trial', { ...request, properties }, flag)
  const env = { XDG_RUNTIME_DIR: host.runtimeDirectory ?? '' }
  const finished = await runTrial(world, file, [...args, ...NOTHING], env)
  const failure = failureOf(finished, 'systemd-run')
  if (flag !== '' && failure?.includes('option')) return tryFlags(world, host, file, request, watch, '')
  return { failure, watchFailure: undefined, flag, isSilent: finished.end.kind === 'timeout' }
}

/** The namespaces by which a manager takes us for somebody else, or isn't the one that this process sees. */
function namespaces(world: World): (number | undefined)[] {
  return ['pid', 'user', 'mnt'].map((name) => statOf(world, `/proc/self/ns/${name}`)?.inode)
}

/** Where a slice is masked or changed: such a file changes the time of its directory (systemd.unit(5)). */
function unitDirectories(world: World, host: Host): string[] {
  return [configHome(world), host.runtimeDirectory, '/etc'].map((directory) => `${directory}/systemd/user`)
}

/** The arguments of `systemd-run` up to the command. */
export function scopeArguments(
  unit: string,
  description: string,
  { slice, properties }: ScopeRequest,
  flag: string,
): string[] {
  return [
    ...['--user', '--scope', '--quiet', '--collect'],
    ...(flag === '' ? [] : [flag]),
    ...[`--slice=${slice}`, `--unit=${unit}`, `--description=${description}`],
    ...properties.flatMap((property) => ['-p', property]),
    '--',
  ]
}

function runTrial(world: World, file: string, args: readonly string[], env: Environment): Promise<Finished> {
  return world.processes.run({ file, args, env: { LC_ALL: 'C', ...env }, cwd: '/', timeoutMs: TRIAL_TIMEOUT_MS })
}

function failureOf(finished: Finished, tool: SystemTool): Attempt {
  const { end } = finished
  return end.kind === 'exit' && end.code === 0 ? undefined : complaintOf(tool, finished)
}

/**
 * A manager that was killed leaves its socket file behind. A socket that is listened on stands in `/proc/net/unix` of
 * its network namespace; one that doesn't is tried again, which costs some milliseconds and is always right.
 */
function isListenedOn(world: World, socket: string): boolean {
  try {
    return world.files.read('/proc/net/unix').includes(` ${socket}\n`)
  } catch {
    return false
  }
}
