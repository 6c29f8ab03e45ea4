import { errnoWords, LaunchError } from '../errors.ts'
import type { ClientWatch, NoWatch, watchClient } from '../lifecycle/client-watch.ts'
import type { Registered, ServerEntry } from '../registry/entry.ts'
import { Secret } from '../secrets/secret.ts'
import type { World } from '../world.ts'
import type { Ask, SecretState } from './ask.ts'
import { findExecutable, searchDirectories } from './executable.ts'
import { type Expanded, expandServer } from './expanded.ts'
import { type Host, inspectHost } from './host.ts'
import { copyArguments } from './log.ts'
import { type Plan, type PlannedSecret, planLaunch, runtimeDirectoryProblem, scopeProblem } from './plan.ts'
import { secretDirectory } from './secret-files.ts'
import { type Trial, tryParts } from './trial.ts'
import { scopeRequest } from './wrap.ts'

export interface Prepared {
  readonly plan: Plan
  readonly secrets: readonly SecretState[]
  /** Whatever would stop the launch: all of it, so that it can be mended in one go. */
  readonly problems: readonly LaunchError[]
}

/**
 * Gathers all that a launch depends on and plans it. Nothing is thrown: `launch` refuses if there are problems, and
 * `explain` shows them beside the plan.
 *
 * @param how what a launch does to get at the secrets and at a watch of its client, and `explain` doesn't.
 */
export async function prepare(
  world: World,
  registered: Registered,
  extraArgs: readonly string[],
  how: { readonly ask: Ask; readonly watch: typeof watchClient },
): Promise<Prepared> {
  const { server } = registered
  const { expanded, problems } = expandServer(world, server)
  const host = inspectHost(world)
  const [{ states: secrets, notes: remarks }, trial] = await Promise.all([
    how.ask(world, registered),
    tryParts(world, host, scopeRequest(server)),
  ])
  const command = problems.length === 0 ? locate(world, server, expanded) : expanded.command
  const plan = planLaunch({
    server,
    command: command instanceof LaunchError ? expanded.command : command,
    args: [...expanded.args, ...extraArgs],
    cwd: expanded.cwd,
    path: expanded.path,
    plainEnv: expanded.env,
    clientEnv: world.env,
    secrets: secrets.flatMap(plannedSecret),
    secretDirectory: secretDirectory(world, host, server.name),
    host,
    trial,
    copy: copyArguments(world, server),
    watch: await watch(world, server, host, trial, how.watch),
  })
  const notes = secrets.filter(({ spec }) => !spec.required).flatMap(missingNote)
  return {
    plan: { ...plan, notes: [...plan.notes, ...remarks, ...notes] },
    secrets,
    problems: [
      ...problems,
      ...(command instanceof LaunchError ? [command] : []),
      ...scopeProblem(server, trial),
      ...runtimeDirectoryProblem(plan, host),
      ...failures(secrets),
    ],
  }
}

/** A scope is bound to the client where that is somebody: init and its like never go. */
function watch(
  world: World,
  server: ServerEntry,
  { parent, runtimeDirectory, tools }: Host,
  trial: Trial,
  make: typeof watchClient,
): Promise<ClientWatch | NoWatch> {
  const { tail, 'systemd-run': systemdRun } = tools
  const none = (why: string): Promise<NoWatch> => Promise.resolve({ why })
  if (trial.scope !== undefined || runtimeDirectory === undefined || systemdRun === undefined) return none('no scope')
  if (parent.pid <= 1) return none('it has no client process of its own')
  if (tail === undefined) return none('no tail here')
  const { slice } = server
  return make(world, { clientPid: parent.pid, runtimeDirectory, slice, tools: { tail, 'systemd-run': systemdRun } })
}

/** The working directory and the executable, or why one of them can't be had. */
function locate(world: World, server: ServerEntry, { command, cwd, path, env }: Expanded): string | LaunchError {
  try {
    assertDirectory(world, server, cwd)
    const directories = searchDirectories(path, world.env['PATH'])
    const serverPath = env['PATH'] ?? directories.join(':')
    return findExecutable(world, { server: server.name, command, cwd, directories, serverPath })
  } catch (error) {
    if (error instanceof LaunchError) return error
    throw error
  }
}

function assertDirectory(world: World, server: ServerEntry, cwd: string): void {
  const hint = `mend "cwd" of server "${server.name}" in the registry`
  const refused = (what: string, why?: string) =>
    new LaunchError('failure', {
      what: `can't start server "${server.name}", ${what}`,
      subject: cwd,
      ...(why === undefined ? { hint: `make it, or ${hint}` } : { why, hint }),
    })
  let kind: string | undefined
  try {
    kind = world.files.stat(cwd)?.kind
  } catch (error) {
    throw refused("can't enter directory", errnoWords(error))
  }
  if (kind !== 'directory') throw refused('no such directory')
}

/** One failure may stand for many references: a file that doesn't open is told once. */
function failures(secrets: readonly SecretState[]): LaunchError[] {
  const required = secrets.filter(({ spec }) => spec.required).map(({ outcome }) => outcome)
  return [...new Set(required.filter((outcome) => outcome instanceof LaunchError))]
}

/** An optional secret without a value leaves the client's variable of that name as it is. */
function plannedSecret({ name, spec, outcome }: SecretState): PlannedSecret[] {
  const isUnopened = spec.from.kind === 'op-env' && !(outcome instanceof Secret)
  if (isUnopened) return []
  if (outcome instanceof LaunchError && !spec.required) return []
  return [{ name, as: spec.as, why: spec.from.text, value: outcome instanceof Secret ? outcome : undefined }]
}

function missingNote({ name, outcome }: SecretState): string[] {
  return outcome instanceof LaunchError ? [`optional secret ${name} is missing: ${outcome.shown}`] : []
}
