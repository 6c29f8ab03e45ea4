import { LaunchError } from '../errors.ts'
import type { ServerEntry } from '../registry/entry.ts'
import type { Outcome } from '../secrets/source.ts'
import type { World } from '../world.ts'
import { type ClientProfile, deadlineOf, environmentOf, profileWords, shortenedBy } from './clients.ts'
import { type Area, errorFindings, once, type Report } from './finding.ts'
import { checkKeys } from './keys.ts'
import { checkLogs } from './logs.ts'
import { onepasswordUse } from './onepassword-use.ts'
import { checkPermissions } from './permissions.ts'
import { checkRegistry, chooseServers } from './registry.ts'
import { checkServer, type Start } from './server.ts'
import { checkSources } from './sources.ts'
import { checkSystemd } from './systemd.ts'

export interface CheckRequest {
  /** None: all that are switched on. */
  readonly servers: readonly string[]
  readonly registry?: string
  /** Whose environment and deadline. */
  readonly client?: ClientProfile
}

export interface Watcher {
  readonly report: Report
  /** What is being done; it may take a while. */
  readonly doing: (what: string) => void
}

/** More at once would make each other late. */
const AT_ONCE = 4

/**
 * Looks at all that a launch depends on, station by station, and then launches. Findings are handed on as they come.
 *
 * @param world as the user has it; for a client's view its environment is replaced.
 */
export async function check(world: World, request: CheckRequest, watcher: Watcher): Promise<void> {
  const report = once(watcher.report)
  const { client } = request
  const seen = client === undefined ? world : { ...world, env: environmentOf(client, world.env, world.cwd) }
  const deadlineMs = client === undefined ? undefined : deadlineOf(client, world.env)
  if (client !== undefined) {
    const why = profileWords(client, deadlineMs)
    report({ severity: 'note', area: 'server', subject: client.name, what: 'as client', why })
  }
  const stage = guarded(report, watcher.doing)
  watcher.doing('the registry')
  const registry = checkRegistry(seen, request.registry, report)
  const servers = registry === undefined ? [] : chooseServers(registry, request.servers, report)
  const context = registry && { registryPath: registry.path, settings: registry.settings }
  await stage('permissions', () => checkPermissions(seen, context, servers, report))
  await stage('keys', () => checkKeys(seen, servers, report))
  await stage('systemd', () => checkSystemd(seen, servers, report))
  if (context === undefined || servers.length === 0) return
  const outcomes = new Map<string, Outcome>()
  await stage('source', async () => {
    for (const [text, outcome] of await checkSources(seen, context, servers, report)) outcomes.set(text, outcome)
    const use = onepasswordUse(seen, context, servers)
    if (use !== undefined) report({ ...use, area: 'source' })
  })
  const option = request.registry === undefined ? [] : ['--registry', context.registryPath]
  const launcher: Start['launcher'] = [...world.processes.self, ...option]
  const start = { launcher, deadlineMs, shortenedBy: client && shortenedBy(client, world.env), context, outcomes }
  await stage('server', () => {
    checkLogs(seen, servers, report)
    return checkServers(seen, servers, start, { ...watcher, report })
  })
}

/** What stops one station (no HOME, …) is a finding of it, and the next one is looked at. */
function guarded(report: Report, doing: Watcher['doing']) {
  return async (area: Area, look: () => void | Promise<void>): Promise<void> => {
    doing(area)
    try {
      await look()
    } catch (error) {
      if (!(error instanceof LaunchError)) throw error
      for (const finding of errorFindings(area, '', error)) report(finding)
    }
  }
}

async function checkServers(
  world: World,
  servers: readonly ServerEntry[],
  start: Omit<Start, 'stop'>,
  { report, doing }: Watcher,
): Promise<void> {
  const waiting = [...servers]
  const running = new Set<string>()
  const stop = new AbortController()
  const work = async (): Promise<void> => {
    for (let server = waiting.shift(); server !== undefined && !stop.signal.aborted; server = waiting.shift()) {
      running.add(server.name)
      doing(`servers: ${[...running].join(', ')}${waiting.length === 0 ? '' : `, and ${waiting.length} to come`}`)
      await checkServer(world, server, { ...start, stop: stop.signal }, report)
      running.delete(server.name)
      if (running.size > 0) doing(`servers: ${[...running].join(', ')}`)
    }
  }
  // Where one can't go on (nobody reads stdout any more), the others' servers are ended as well.
  const ends = Promise.allSettled(
    Array.from({ length: AT_ONCE }, () =>
      work().catch((error: unknown) => {
        stop.abort()
        throw error
      }),
    ),
  )
  let isDying = false
  const release = world.processes.beforeDeath(async () => {
    isDying = true
    stop.abort()
    await ends
  })
  const failed = (await ends).find((end) => end.status === 'rejected')
  // There is nothing more to say.
  if (isDying) await new Promise<never>(() => {})
  release()
  if (failed !== undefined) throw failed.reason
}
