import { type Host, inspectHost } from '../launch/host.ts'
import { type Attempt, type ScopeRequest, tryParts } from '../launch/trial.ts'
import { scopeRequest } from '../launch/wrap.ts'
import { NO_SCOPE, provideWatch, watchOf } from '../lifecycle/client-watch.ts'
import type { ServerEntry } from '../registry/entry.ts'
import type { World } from '../world.ts'
import type { Finding, Report } from './finding.ts'
import { heldLimits, type LimitName, limitsOf } from './limits.ts'
import { lingers } from './linger.ts'

/**
 * What the servers' lives and limits stand on: the user manager, a scope tried with each server's own properties,
 * limits that the kernel holds, the death signal, signals put right. A server that insists on its scope makes an error
 * of what else is a warning.
 */
export async function checkSystemd(world: World, servers: readonly ServerEntry[], report: Report): Promise<void> {
  const host = inspectHost(world)
  const finding = (severity: Finding['severity'], what: string, subject: string, why: string, action?: string): void =>
    report({
      severity,
      area: 'systemd',
      subject,
      what,
      why,
      ...(action === undefined ? {} : { action }),
      ...(severity === 'error' ? { code: 'failure' } : {}),
    })
  const inScope = servers.filter(({ scope }) => scope !== 'off')
  const isRequired = inScope.some(({ scope }) => scope === 'require')
  if (world.platform !== 'linux') {
    const why = `${world.platform} has no systemd: a server that ignores the end of its input outlives its client`
    finding(isRequired ? 'error' : 'note', 'no scopes', '', why)
    return
  }
  if (host.manager.listening) {
    finding('ok', 'user manager', host.runtimeDirectory ?? '', 'it listens')
    await checkLinger(world, finding)
    const unbound = await checkScopes(world, host, inScope, finding)
    await checkLimits(world, host, inScope, finding)
    if (inScope.length > 0) checkWatch(unbound, finding)
  } else {
    const why = `${host.manager.why}: no limits, and what a server leaves behind isn't ended`
    const severity = isRequired ? 'error' : inScope.length === 0 ? 'note' : 'warning'
    finding(severity, 'no user manager', '', why, 'loginctl enable-linger, then log in anew')
  }
  await checkTools(world, host, finding)
}

type Say = (severity: Finding['severity'], what: string, subject: string, why: string, action?: string) => void

async function checkLinger(world: World, finding: Say): Promise<void> {
  if (world.uid === 0 || (await lingers(world)) !== false) return
  const why = 'it ends with the last session, and all servers with it'
  finding('note', 'user manager', '', why, 'loginctl enable-linger, if servers should outlive a session')
}

/** @returns why no scope could be bound to a watch as launches bind it. */
async function checkScopes(world: World, host: Host, servers: readonly ServerEntry[], finding: Say): Promise<Attempt> {
  const watch = watchOf(world, provideWatch(world, host), world.pid)
  let unbound = 'why' in watch ? watch.why : undefined
  for (const { request, names, isRequired } of distinctRequests(servers)) {
    const { scope: failure, watch: watchFailure } = await tryParts(world, host, request, watch, { anew: true })
    unbound ??= watchFailure
    const properties = request.properties.filter((property) => !property.startsWith('TimeoutStopSec')).join(' ')
    const why = `for ${names.join(', ')}${properties === '' ? '' : ` with ${properties}`}`
    if (failure === undefined) finding('ok', 'scope in', request.slice, why)
    else {
      const action = `see what it has against it: systemctl --user status ${request.slice}`
      finding(isRequired ? 'error' : 'warning', 'no scope in', request.slice, `${why}: ${failure}`, action)
    }
  }
  return unbound
}

function distinctRequests(
  servers: readonly ServerEntry[],
): { request: ScopeRequest; names: string[]; isRequired: boolean }[] {
  const found = new Map<string, { request: ScopeRequest; names: string[]; isRequired: boolean }>()
  for (const server of servers) {
    const request = scopeRequest(server)
    if (request === undefined) continue
    const key = JSON.stringify(request)
    const { names, isRequired } = found.get(key) ?? { names: [], isRequired: false }
    found.set(key, {
      request,
      names: [...names, server.name],
      isRequired: isRequired || server.scope === 'require',
    })
  }
  return [...found.values()]
}

/** systemd takes limits without the kernel's controllers too, and they do nothing. */
async function checkLimits(world: World, host: Host, servers: readonly ServerEntry[], finding: Say): Promise<void> {
  const wanted = new Set(servers.flatMap(({ limits }) => limitsOf(limits)))
  if (wanted.size === 0) return
  const held = await heldLimits(world, host)
  if (held === undefined) return
  const names = (some: readonly LimitName[]): string => some.join(', ')
  const missing = [...wanted].filter((limit) => !held.has(limit))
  if (missing.length === 0) finding('ok', 'limits', '', `the kernel holds them (${names([...wanted])})`)
  else {
    finding(
      'warning',
      'limits do nothing',
      '',
      `the user manager has no controller for ${names(missing)}`,
      'write "[Service] Delegate=cpu memory pids" (two lines) to /etc/systemd/system/user@.service.d/delegate.conf, then log in anew',
    )
  }
}

function checkWatch(unbound: Attempt, finding: Say): void {
  if (unbound === undefined) {
    finding('ok', 'client watch', '', 'scopes end with their client')
    return
  }
  const action = unbound.startsWith('no tail')
    ? 'install coreutils'
    : 'see what systemd has against it: systemctl --user status mcp-clients.slice'
  finding('warning', 'no client watch', '', `scopes outlive a client that is killed: ${unbound}`, action)
}

async function checkTools(world: World, host: Host, finding: Say): Promise<void> {
  const { env, setpriv } = await tryParts(world, host, undefined, NO_SCOPE, { anew: true })
  if (setpriv === undefined) finding('ok', 'parent-death signal', '', 'it can be set')
  else finding('note', 'no parent-death signal', '', setpriv, 'install setpriv (util-linux)')
  if (env === undefined) finding('ok', 'signals', '', 'env puts SIGPIPE and SIGXFSZ right')
  else finding('note', 'signals', '', `${env}; the launcher puts them right itself`)
}
