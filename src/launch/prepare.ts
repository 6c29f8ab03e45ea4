import { errnoWords, LaunchError } from '../errors.ts'
import { NO_SCOPE, type NoWatch, provideWatch, watchOf } from '../lifecycle/client-watch.ts'
import type { Registered, ServerEntry } from '../registry/entry.ts'
import { Secret } from '../secrets/secret.ts'
import type { World } from '../world.ts'
import type { Ask, SecretState } from './ask.ts'
import { findExecutable, searchDirectories } from './executable.ts'
import { type Expansion, expandServer } from './expanded.ts'
import { type Host, inspectHost } from './host.ts'
import { copyArguments } from './log.ts'
import { DETACHED } from './parent.ts'
import { type Plan, type PlannedSecret, planLaunch, runtimeDirectoryProblem, scopeProblem } from './plan.ts'
import { secretDirectory } from './secret-files.ts'
import { tryParts } from './trial.ts'
import { scopeRequest } from './wrap.ts'

export interface Prepared {
  readonly host: Host
  readonly plan: Plan
  readonly secrets: readonly SecretState[]
  /** Whatever would stop the launch: all of it, so that it can be mended in one go. */
  readonly problems: readonly LaunchError[]
}

/**
 * Gathers all that a launch depends on and plans it. Nothing is thrown: `launch` refuses if there are problems, and
 * `explain` shows them beside the plan.
 *
 * @param how `ask` is what a launch does to get at the secrets, and `explain` doesn't. A launch tries the scope with the
 * watch of its client, which stays; what only looks, with one of its own process, so that it leaves none behind.
 */
export async function prepare(
  world: World,
  registered: Registered,
  extraArgs: readonly string[],
  how: { readonly ask: Ask; readonly isLaunch: boolean },
): Promise<Prepared> {
  const { server } = registered
  const expansion = expandServer(world, server)
  const { expanded, problems } = expansion
  const host = inspectHost(world)
  const request = scopeRequest(server)
  const template = request === undefined ? NO_SCOPE : provideWatch(world, host)
  const watch = host.parent.pid > 1 ? watchOf(world, template, host.parent.pid) : withoutClient(host)
  const [{ states: secrets, notes: remarks }, trial] = await Promise.all([
    how.ask(world, registered),
    tryParts(world, host, request, how.isLaunch || 'why' in watch ? watch : watchOf(world, template, world.pid)),
  ])
  const located = locate(world, server, expansion)
  const plan = planLaunch({
    server,
    command: located.command,
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
    watch,
  })
  const notes = secrets.filter(({ spec }) => !spec.required).flatMap(missingNote)
  return {
    host,
    plan: { ...plan, notes: [...plan.notes, ...remarks, ...notes] },
    secrets,
    problems: [
      ...problems,
      ...located.problems,
      ...scopeProblem(server, trial),
      ...runtimeDirectoryProblem(plan, host),
      ...failures(secrets),
    ],
  }
}

/** init and its like never go. */
function withoutClient({ parent }: Host): NoWatch {
  return { why: parent.isDetached ? DETACHED : 'it has no client process of its own', isDefect: false }
}

/** The executable, and what is wrong with it and with the working directory. */
function locate(
  world: World,
  server: ServerEntry,
  { expanded: { command, cwd, path, env }, isCwdSound, isCommandSound }: Expansion,
): { command: string; problems: LaunchError[] } {
  const directories = searchDirectories(path, world.env['PATH'])
  const serverPath = env['PATH'] ?? directories.join(':')
  const search = { server: server.name, command, cwd, directories, serverPath }
  const directory = isCwdSound ? caught(() => assertDirectory(world, server, cwd)) : undefined
  const found = isCommandSound ? caught(() => findExecutable(world, search)) : command
  const problems = [directory, found].filter((one) => one instanceof LaunchError)
  return { command: typeof found === 'string' ? found : command, problems }
}

function caught<Result>(step: () => Result): Result | LaunchError {
  try {
    return step()
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
