import { EXIT } from '../errors.ts'
import { inspectHost } from '../launch/host.ts'
import { collectGarbage, stopLeftoversOf } from '../lifecycle/gc.ts'
import { noteText } from '../report/messages.ts'
import { gcText } from '../report/ps.ts'
import type { World } from '../world.ts'

export interface GcOptions {
  readonly dryRun?: boolean
  readonly json?: boolean
  readonly ofClient?: string
}

/**
 * `mcp-launch gc`: stops what has lost its client and removes what was left behind, or says what it would do.
 * For a launch (`ofClient`, a pid) only what that client's earlier servers have left, and it says nothing.
 *
 * @returns 0 if all of it could be done, else 1.
 */
export async function gc(world: World, { dryRun = false, json, ofClient }: GcOptions): Promise<number> {
  if (ofClient !== undefined) {
    await stopLeftoversOf(world, inspectHost(world), Number(ofClient))
    return 0
  }
  const { cleanings, notes } = await collectGarbage(world, inspectHost(world), { dryRun })
  for (const note of notes) world.terminal.writeError(noteText(note))
  world.terminal.writeOut(json ? `${JSON.stringify({ dryRun, cleanings, notes }, null, 2)}\n` : gcText(cleanings))
  return cleanings.every(({ done }) => done !== false) ? 0 : EXIT.failure
}
