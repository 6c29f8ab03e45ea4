import { findSystemTool } from '../programs.ts'
import type { World } from '../world.ts'

const TIMEOUT_MS = 5_000

/** Whether the user manager runs without a session. Undefined where logind can't tell. */
export async function lingers(world: World): Promise<boolean | undefined> {
  const file = findSystemTool(world, 'loginctl')
  if (file === undefined) return undefined
  // By its number: a name may be anything in a client's environment, and is escaped in the files that logind keeps.
  const args = ['show-user', String(world.uid), '--property=Linger']
  const { end, stdout } = await world.processes.run({
    file,
    args,
    env: { LC_ALL: 'C' },
    cwd: '/',
    timeoutMs: TIMEOUT_MS,
  })
  const [, answer] = /^Linger=(yes|no)$/m.exec(stdout.toString()) ?? []
  return end.kind === 'exit' && end.code === 0 && answer !== undefined ? answer === 'yes' : undefined
}
