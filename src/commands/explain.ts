import { exitCodeOf } from '../errors.ts'
import { askForExplanation } from '../launch/ask.ts'
import { foreseeRefusals } from '../launch/execute.ts'
import { prepare } from '../launch/prepare.ts'
import { registryPath } from '../registry/locate.ts'
import { lookUp } from '../registry/lookup.ts'
import { explanation, explanationText } from '../report/explain.ts'
import type { World } from '../world.ts'

/**
 * `mcp-launch explain SERVER`: the plan of a launch. Local sources are asked, so that a missing key shows; no
 * program of the user's is run.
 *
 * @returns 0, or the exit status that the launch would end with.
 */
export async function explain(
  world: World,
  server: string,
  options: { readonly registry?: string; readonly json?: boolean },
): Promise<number> {
  const registered = await lookUp(world, registryPath(world, options.registry), server)
  const prepared = await prepare(world, registered, [], { ask: askForExplanation, isLaunch: false })
  const problems = [...prepared.problems, ...foreseeRefusals(world, prepared.plan)]
  const facts = explanation(registered, { ...prepared, problems })
  world.terminal.writeOut(options.json ? `${JSON.stringify(facts, null, 2)}\n` : explanationText(facts))
  return exitCodeOf(problems)
}
