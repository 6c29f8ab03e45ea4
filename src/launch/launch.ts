import { throwAll } from '../errors.ts'
import type { Registered } from '../registry/entry.ts'
import { noteText } from '../report/messages.ts'
import type { World } from '../world.ts'
import { assertCanReplace, execute } from './execute.ts'
import { prepare } from './prepare.ts'

/** The road's last stretch: from the registry's entry to the server that takes this process over. */
export async function launch(world: World, registered: Registered, extraArgs: readonly string[]): Promise<never> {
  assertCanReplace(world, { server: registered.server.name })
  const { plan, problems } = await prepare(world, registered, extraArgs, { runCommands: true })
  throwAll(problems)
  for (const note of plan.notes) world.terminal.writeError(noteText(note))
  return execute(world, plan)
}
