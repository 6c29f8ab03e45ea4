import type { SystemTool } from '../build.ts'
import { complaintOf } from '../complaint.ts'
import type { Environment, Finished, World } from '../world.ts'
import type { Host } from './host.ts'
import { TrialMemory } from './trial-memory.ts'

/** What came of trying the parts of a launch plan on this machine with a command that does nothing. */
export interface Trial {
  readonly env: Attempt
  readonly setpriv: Attempt
  readonly scope: Attempt
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
const TRIAL_TIMEOUT_MS = 5_000
const NOTHING = ['/bin/sh', '-c', ':'] as const

/**
 * Once the launcher has become `systemd-run` there is no way back, so each part is tried first: the scope with the
 * very properties of this server, on the manager that listens now. What came of it is remembered until a tool, the
 * manager or the boot changes; a scope that could not be had is tried again at the next launch.
 *
 * @param request undefined if the server wants no scope.
 */
export async function tryParts(world: World, host: Host, request: ScopeRequest | undefined): Promise<Trial> {
  const memory = new TrialMemory(world)
  const [env, setpriv, scope] = await Promise.all([
    tryTool(world, host, memory, 'env', [DEFAULT_SIGNALS]),
    tryTool(world, host, memory, 'setpriv', ['--pdeathsig', 'TERM']),
    request === undefined ? { failure: 'switched off', flag: '' } : tryScope(world, host, memory, request),
  ])
  memory.save()
  return { env, setpriv, scope: scope.failure, expandEnvironmentFlag: scope.flag !== '' }
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
  /** The flag that this `systemd-run` wants, or ''. */
  readonly flag: string
}

async function tryScope(world: World, host: Host, memory: TrialMemory, request: ScopeRequest): Promise<ScopeAttempt> {
  const file = host.tools['systemd-run']
  if (!host.manager.listening) return { failure: host.manager.why, flag: '' }
  if (file === undefined) return { failure: 'no systemd-run here', flag: '' }
  const key = memory.key(request, [file, host.manager.socket])
  const known = memory.recall(key)
  if (known !== undefined && isListenedOn(world, host.manager.socket)) return { failure: undefined, flag: known }
  const flags = [EXPAND_ENVIRONMENT_OFF, '']
  let failure: Attempt
  for (const flag of flags) {
    failure = failureOf(await runScope(world, host, file, request, flag), 'systemd-run')
    if (failure === undefined) {
      memory.keep(key, flag)
      return { failure, flag }
    }
    if (!failure.includes('option')) break
  }
  return { failure, flag: '' }
}

function runScope(world: World, host: Host, file: string, request: ScopeRequest, flag: string): Promise<Finished> {
  const unit = `mcp-trial-${host.pid}-${world.now()}.scope`
  const args = scopeArguments(unit, 'mcp-launch trial', request, flag)
  return runTrial(world, file, [...args, ...NOTHING], { XDG_RUNTIME_DIR: host.runtimeDirectory ?? '' })
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
