import { bindingTo, type ClientWatch, type NoWatch } from '../lifecycle/client-watch.ts'
import { serverDescription } from '../lifecycle/units.ts'
import type { ServerEntry } from '../registry/entry.ts'
import type { Host } from './host.ts'
import { DETACHED } from './parent.ts'
import {
  DEFAULT_SIGNALS,
  EXPAND_ENVIRONMENT_OFF,
  openFiles,
  type ScopeRequest,
  scopeArguments,
  type Trial,
} from './trial.ts'

/** One wrapper around the server: the words it puts before the command, or none and the reason. */
export interface Part {
  readonly name: 'env' | 'prlimit' | 'setpriv' | 'systemd-run' | 'sh'
  readonly argv: readonly string[]
  readonly why: string
}

/** The server's scope, if it gets one. */
export interface Scope {
  readonly unit: string
  readonly slice: string
  readonly properties: readonly string[]
  /** The unit that it ends with, or why there is none. */
  readonly watch: ClientWatch | NoWatch
}

/** What a server asks of its scope; undefined if it wants none. */
export function scopeRequest(server: ServerEntry): ScopeRequest | undefined {
  if (server.scope === 'off') return undefined
  const { limits } = server
  const properties: [string, string | undefined][] = [
    ['MemoryMax', limits.memoryMax],
    ['MemoryHigh', limits.memoryHigh],
    ['MemorySwapMax', limits.memorySwapMax],
    ['CPUQuota', limits.cpuQuota],
    ['TasksMax', limits.tasksMax],
    ['RuntimeMaxSec', limits.runtimeMaxMs === undefined ? undefined : `${limits.runtimeMaxMs}ms`],
    ['TimeoutStopSec', `${server.stopTimeoutMs}ms`],
  ]
  return {
    slice: server.slice,
    properties: properties.filter(([, value]) => value !== undefined).map(([name, value]) => `${name}=${value}`),
  }
}

export function scopeOf(
  server: ServerEntry,
  host: Host,
  trial: Trial,
  watch: ClientWatch | NoWatch,
): Scope | undefined {
  const request = scopeRequest(server)
  if (request === undefined || trial.scope !== undefined) return undefined
  const actual = trial.watch === undefined ? watch : { why: trial.watch, isDefect: true }
  const properties = [...request.properties, ...bindingTo(actual)]
  return { unit: `mcp-${server.name}-${host.pid}.scope`, slice: request.slice, properties, watch: actual }
}

/** The wrappers in the order in which each executes the next, and the last one `command`. */
export function wrappers(
  server: ServerEntry,
  host: Host,
  trial: Trial,
  scope: Scope | undefined,
  copy: readonly string[],
  command: string,
): readonly Part[] {
  const deathSignal = deathSignalPart(server, host, trial)
  const scoped = scopePart(server, host, trial, scope, deathSignal)
  const inner = [...openFilesPart(host, trial), deathSignal, scoped, ...logPart(server, copy)]
  const next = inner.flatMap(({ argv }) => argv)[0] ?? command
  return [signalsPart(host, trial, next), ...inner]
}

function part(name: Part['name'], why: string, argv: readonly (string | undefined)[] = []): Part {
  return { name, why, argv: argv.filter((word) => word !== undefined) }
}

function signalsPart(host: Host, trial: Trial, next: string): Part {
  if (next.includes('='))
    return part('env', `left out: it would take ${next} for a variable; the launcher resets its signals itself`)
  if (trial.env !== undefined) return part('env', `left out: ${trial.env}; the launcher resets its signals itself`)
  return part('env', 'SIGPIPE and SIGXFSZ, which the runtime ignores, end the server as usual', [
    host.tools.env,
    DEFAULT_SIGNALS,
  ])
}

function openFilesPart({ openFiles: limit, tools, parent }: Host, { prlimit }: Trial): Part[] {
  if (limit === undefined) return []
  if (prlimit !== undefined)
    return [part('prlimit', `left out: ${prlimit}; the server may open more files than others`)]
  const why = `${limit} open files as client ${parent.pid} has it; the runtime has raised that for itself`
  return [part('prlimit', why, [tools.prlimit, openFiles(limit)])]
}

function deathSignalPart(server: ServerEntry, host: Host, trial: Trial): Part {
  const wanted = server.deathSignal
  const { pid, mainThread, isDetached } = host.parent
  if (wanted === 'off') return part('setpriv', 'left out: deathSignal is off')
  if (isDetached) return part('setpriv', `left out: ${DETACHED}`)
  if (trial.setpriv !== undefined) return part('setpriv', `left out: ${trial.setpriv}`)
  if (mainThread === false) {
    return part('setpriv', `left out: a thread of client ${pid} started us, and its end would kill the server`)
  }
  if (mainThread === undefined && wanted === 'auto') {
    return part('setpriv', `left out: which thread of client ${pid} started us can't be told here`)
  }
  const signal = wanted === 'auto' ? 'TERM' : wanted
  return part('setpriv', `SIG${signal} to the server when client ${pid} ends`, [
    host.tools.setpriv,
    '--pdeathsig',
    signal,
    '--',
  ])
}

function logPart({ logs }: ServerEntry, copy: readonly string[]): Part[] {
  return copy.length === 0 ? [] : [part('sh', `its stderr goes to the client and to the ${logs}`, copy)]
}

/** What only a scope can stop. */
function uncovered({ argv }: Part): string {
  if (argv.length === 0) return 'no limits, and the server and what it starts may outlive the client'
  const deaf = argv.includes('KILL') ? '' : ', as may the server if it ignores the signal'
  return `no limits, and what the server starts may outlive the client${deaf}`
}

function scopePart(server: ServerEntry, host: Host, trial: Trial, scope: Scope | undefined, deathSignal: Part): Part {
  if (server.scope === 'off') return part('systemd-run', `left out: scope is off; ${uncovered(deathSignal)}`)
  if (scope === undefined) return part('systemd-run', `left out: ${trial.scope}; ${uncovered(deathSignal)}`)
  const flag = trial.expandEnvironmentFlag ? EXPAND_ENVIRONMENT_OFF : ''
  const end =
    'unit' in scope.watch
      ? `end with client ${host.parent.pid} (${scope.watch.unit})`
      : `are bound to no client: ${scope.watch.why}`
  return part('systemd-run', `the server and all it starts are in ${scope.unit}, and ${end}`, [
    host.tools['systemd-run'],
    ...scopeArguments(scope.unit, serverDescription(server.name), scope, flag),
  ])
}
