import { audit, client } from '../audit.ts'
import { type LaunchError, throwAll } from '../errors.ts'
import type { ClientWatch, NoWatch } from '../lifecycle/client-watch.ts'
import { cleanUpBehind } from '../lifecycle/earlier-servers.ts'
import { bootId } from '../proc.ts'
import { processStart } from '../process-start.ts'
import type { Registered } from '../registry/entry.ts'
import { noteText } from '../report/messages.ts'
import type { World } from '../world.ts'
import { askForLaunch, type SecretState } from './ask.ts'
import { assertCanReplace, execute } from './execute.ts'
import type { Host } from './host.ts'
import { prepareLog } from './log.ts'
import type { Plan } from './plan.ts'
import { prepare } from './prepare.ts'

/** The road's last stretch: from the registry's entry to the server that takes this process over. */
export async function launch(world: World, registered: Registered, extraArgs: readonly string[]): Promise<never> {
  assertCanReplace(world, { server: registered.server.name })
  const { host, plan, problems, secrets } = await prepare(world, registered, extraArgs, {
    ask: askForLaunch,
    isLaunch: true,
  })
  throwAll(problems)
  for (const note of plan.notes) world.terminal.writeError(noteText(note))
  await cleanUpBehind(world, host, plan.scope?.watch)
  return execute(world, plan, () => {
    const refused = recordLaunch(world, host, plan, secrets)
    if (refused !== undefined) sayOnce(world, plan, refused)
    prepareLog(world, registered.server)
  })
}

/** The cache has said the same already, if it was asked. */
function sayOnce(world: World, { notes }: Plan, { message, hint }: LaunchError): void {
  if (!notes.some((note) => note.startsWith(message))) world.terminal.writeError(noteText(`${message} (${hint})`))
}

function recordLaunch(
  world: World,
  { parent }: Host,
  plan: Plan,
  secrets: readonly SecretState[],
): LaunchError | undefined {
  return audit(world, {
    event: 'launch',
    server: plan.server,
    start: processStart(world, world.pid) ?? 0,
    boot: bootId(world),
    client: parent.isDetached ? undefined : client(world),
    variables: plan.variables
      .filter(({ origin }) => origin === 'registry' || origin === 'secret')
      .map(({ name }) => name),
    cache: Object.fromEntries(secrets.map(({ name, cache }) => [name, cache ?? 'not cached'])),
    held: Object.fromEntries(secrets.flatMap(({ spec, held }) => (held === undefined ? [] : [[spec.from.text, held]]))),
    ...(plan.scope === undefined ? {} : { unit: plan.scope.unit, ...binding(plan.scope.watch) }),
  })
}

function binding(watch: ClientWatch | NoWatch): { readonly bound: string } | { readonly unbound: string } {
  return 'unit' in watch ? { bound: watch.unit } : { unbound: watch.why }
}
