import { EXIT, LaunchError } from '../errors.ts'
import { inspectHost } from '../launch/host.ts'
import { lookAround, type RunningServer } from '../lifecycle/servers.ts'
import { stopServers } from '../lifecycle/stop.ts'
import { didYouMean } from '../nearest.ts'
import { noteText } from '../report/messages.ts'
import { stopText } from '../report/ps.ts'
import type { World } from '../world.ts'

export interface StopOptions {
  /** A pid. */
  readonly client?: string
  readonly json?: boolean
}

/**
 * `mcp-launch stop`: a server (all of that name), a unit, all of a client's, or those of that name of a client's.
 *
 * @returns 0 if all of them are gone, else 1.
 * @throws LaunchError `usage` if nothing is named; `failure` if nothing of ours that runs is meant.
 */
export async function stop(world: World, name: string | undefined, options: StopOptions): Promise<number> {
  const client = clientPid(options.client)
  if (name === undefined && client === undefined) {
    throw new LaunchError('usage', { what: 'nothing to stop is named', hint: 'mcp-launch ps shows what runs' })
  }
  const host = inspectHost(world)
  const look = await lookAround(world, host)
  for (const note of look.notes) world.terminal.writeError(noteText(note))
  const meant = look.servers
    .filter((running) => name === undefined || running.server === name || running.unit === name)
    .filter((running) => client === undefined || running.client?.pid === client)
  if (meant.length === 0) throw notRunning(name, client, look.servers)
  const results = await stopServers(world, host, look, meant)
  const data = results.map(({ server, isGone, why }) => {
    return { server: server.server, unit: server.unit, pid: server.pid, gone: isGone, why }
  })
  world.terminal.writeOut(options.json ? `${JSON.stringify({ stopped: data }, null, 2)}\n` : stopText(results))
  return results.every(({ isGone }) => isGone) ? 0 : EXIT.failure
}

function clientPid(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^[1-9]\d*$/.test(text)) return Number(text)
  throw new LaunchError('usage', { what: 'no pid', subject: text, hint: '--client PID, as mcp-launch ps shows it' })
}

function notRunning(
  name: string | undefined,
  client: number | undefined,
  running: readonly RunningServer[],
): LaunchError {
  const whose = client === undefined ? '' : ` of client ${client}`
  const hint = { hint: 'mcp-launch ps shows what runs' }
  if (name === undefined) return new LaunchError('failure', { what: `no server${whose} is running`, ...hint })
  if (/\.(scope|service|slice)$/.test(name)) {
    const units = running.flatMap(({ unit }) => unit ?? [])
    return new LaunchError('failure', {
      what: "won't stop",
      subject: name,
      why: `it is no running server of mcp-launch${whose}`,
      hint: didYouMean(name, units) ?? hint.hint,
    })
  }
  return new LaunchError('failure', {
    what: `no server${whose} is running that is called`,
    subject: name,
    hint: didYouMean(name, new Set(running.map(({ server }) => server))) ?? hint.hint,
  })
}
