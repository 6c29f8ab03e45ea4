import { LaunchError } from '../errors.ts'
import { inspectHost } from '../launch/host.ts'
import { withIdleTimes } from '../lifecycle/idle.ts'
import { lookAround, type RunningServer } from '../lifecycle/servers.ts'
import { supersededSecrets } from '../lifecycle/superseded.ts'
import { loadRegistry } from '../registry/load.ts'
import { findRegistry } from '../registry/locate.ts'
import { noteText } from '../report/messages.ts'
import { type PsRow, psData, psText } from '../report/ps.ts'
import type { World } from '../world.ts'

export interface PsOptions {
  readonly registry?: string
  readonly json?: boolean
  readonly watch?: boolean
}

const EVERY_MS = 2_000
/** Not what was scrolled out, which is the user's. */
const CLEAR_SCREEN = '\u001b[H\u001b[2J'

/** `mcp-launch ps`: what runs; with `watch` again and again, until a signal or nobody reads it any more. */
export async function ps(world: World, options: PsOptions): Promise<void> {
  if (!options.watch) {
    const { rows, notes } = await look(world, options)
    for (const note of notes) world.terminal.writeError(noteText(note))
    const now = world.now()
    world.terminal.writeOut(
      options.json ? `${JSON.stringify({ servers: psData(rows, now), notes }, null, 2)}\n` : psText(rows, now),
    )
    return
  }
  for (;;) {
    const { rows, notes } = await look(world, options)
    world.terminal.writeOut(frame(world, options, rows, notes))
    await world.sleep(EVERY_MS)
  }
}

function frame(world: World, { json }: PsOptions, rows: readonly PsRow[], notes: readonly string[]): string {
  const now = world.now()
  if (json) return `${JSON.stringify({ time: now, servers: psData(rows, now), notes })}\n`
  const text = `${psText(rows, now)}${notes.map(noteText).join('')}`
  return world.terminal.stdoutIsTerminal ? `${CLEAR_SCREEN}${text}` : `${text}\n`
}

async function look(world: World, options: PsOptions): Promise<{ rows: PsRow[]; notes: readonly string[] }> {
  const host = inspectHost(world)
  const { servers: found, notes } = await lookAround(world, host)
  const servers = withIdleTimes(world, host.runtimeDirectory, found)
  const superseded = servers.length === 0 ? { of: () => [], notes: [] } : await supersededBy(world, options.registry)
  return {
    rows: servers.map((server) => ({ ...server, superseded: superseded.of(server) })),
    notes: [...notes, ...superseded.notes],
  }
}

/** A registry that can't be read is no reason to show nothing. */
async function supersededBy(
  world: World,
  option: string | undefined,
): Promise<{ of(server: RunningServer): string[]; notes: string[] }> {
  const nothing = (...notes: string[]) => ({ of: () => [], notes })
  try {
    const path = findRegistry(world, option)
    if (path === undefined) return nothing()
    const registry = loadRegistry(world, path)
    const names = await supersededSecrets(world, { registryPath: path, settings: registry.settings })
    return {
      of({ server, ...launch }) {
        const entry = registry.servers.get(server)
        return entry === undefined ? [] : names(entry, launch)
      },
      notes: [],
    }
  } catch (error) {
    if (error instanceof LaunchError) return nothing(`changed secrets can't be told: ${error.message}`)
    throw error
  }
}
