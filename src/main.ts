import { audit, client } from './audit.ts'
import { ClosedOutput, EXIT, LaunchError } from './errors.ts'
import { COMMANDS, type Invocation, parseInvocation } from './invocation.ts'
import { answerFirstRequest } from './launch/failure.ts'
import { launch } from './launch/launch.ts'
import { realWorld } from './real-world.ts'
import type { Registered } from './registry/entry.ts'
import { registryPath } from './registry/locate.ts'
import { lookUp } from './registry/lookup.ts'
import { defect, errorText } from './report/messages.ts'
import type { World } from './world.ts'

/** How long a failed launch waits for a request to answer if the registry can't say (its `cache.resolveTimeout`). */
const DEFAULT_PATIENCE_MS = 4_000

/** The composition root: the only catch, the only exit. */
async function main(world: World): Promise<number> {
  let registered: Registered | undefined
  let invocation: Invocation | undefined
  try {
    if (world.argv.length === 0 && world.terminal.stdinIsTerminal) return await command(world, ['--help'])
    invocation = parseInvocation(world.argv)
    if (invocation.kind === 'command') return await command(world, invocation.argv)
    registered = await lookUp(world, registryPath(world, invocation.registry), invocation.server, COMMANDS)
    return await launch(world, registered, invocation.extraArgs)
  } catch (thrown) {
    if (thrown instanceof ClosedOutput) return EXIT.failure
    const error = thrown instanceof LaunchError ? thrown : defect(thrown)
    world.terminal.writeError(errorText(error))
    if (invocation?.kind === 'launch') recordFailure(world, invocation.server, error)
    if (invocation?.kind !== 'command' && !world.terminal.stdinIsTerminal) {
      const patience = registered?.settings.cache.resolveTimeoutMs ?? DEFAULT_PATIENCE_MS
      await answerFirstRequest(world, error, world.now() + patience)
    }
    return error.exitCode
  }
}

function recordFailure(world: World, server: string, error: LaunchError): void {
  audit(world, { event: 'failure', server, client: client(world), exitCode: error.exitCode, error: error.message })
}

/** Everything but a launch; it alone needs commander. */
async function command(world: World, argv: readonly string[]): Promise<number> {
  const { runCommand } = await import('./cli.ts')
  return runCommand(world, argv)
}

/** What nobody waits for any more (a stream that breaks after its time) may hold anything: its text isn't shown. */
function lastResort(thrown: unknown): never {
  try {
    realWorld().terminal.writeError(errorText(defect(thrown)))
  } finally {
    process.exit(1)
  }
}

process.on('uncaughtException', lastResort)
process.on('unhandledRejection', lastResort)
main(realWorld()).then((code) => process.exit(code), lastResort)
