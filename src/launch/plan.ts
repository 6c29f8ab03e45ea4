import { LaunchError } from '../errors.ts'
import type { ClientWatch, NoWatch } from '../lifecycle/client-watch.ts'
import type { ServerEntry } from '../registry/entry.ts'
import type { Secret } from '../secrets/secret.ts'
import type { Environment } from '../world.ts'
import { droppedCredentials, type EnvironmentParts, planEnvironment, type Variable } from './environment.ts'
import { DEFAULT_PATH } from './executable.ts'
import type { Host } from './host.ts'
import { DETACHED } from './parent.ts'
import type { Trial } from './trial.ts'
import { type Part, type Scope, scopeOf, wrappers } from './wrap.ts'

/** Everything that a launch does, as data: `explain` prints it, `execute` does it. */
export interface Plan {
  readonly server: string
  /** The whole command line, wrappers first. The first word is an absolute path. */
  readonly argv: readonly [string, ...string[]]
  readonly cwd: string
  readonly variables: readonly Variable[]
  readonly parts: readonly Part[]
  readonly scope: Scope | undefined
  readonly secretFiles: readonly SecretFile[]
  /** The client's pid if the server's life is tied to it: checked once more just before exec. */
  readonly boundTo: number | undefined
  /** What stderr tells although nothing is wrong. */
  readonly notes: readonly string[]
}

/** A secret that is handed over as a file (`as: file`). */
export interface SecretFile {
  readonly path: string
  readonly content: Secret | undefined
}

export interface PlanInput {
  readonly server: ServerEntry
  /** What the launch made of the entry: nothing in it is left to expand or to find. */
  readonly command: string
  readonly args: readonly string[]
  readonly cwd: string
  readonly path: readonly string[]
  readonly plainEnv: Environment
  readonly clientEnv: Environment
  readonly secrets: readonly PlannedSecret[]
  readonly secretDirectory: string
  readonly host: Host
  readonly trial: Trial
  readonly watch: ClientWatch | NoWatch
  /** The words that copy the server's stderr to a log. */
  readonly copy: readonly string[]
}

/** A secret of the server; `value` is undefined where `explain` didn't ask the source. */
export interface PlannedSecret {
  readonly name: string
  readonly as: 'env' | 'file'
  readonly why: string
  readonly value: Secret | undefined
}

/** The launch plan: a pure function of the entry, its secrets, the machine and the client's environment. */
export function planLaunch(input: PlanInput): Plan {
  const { server, host, trial } = input
  const scope = scopeOf(server, host, trial, input.watch)
  const parts = wrappers(server, host, trial, scope, input.copy, input.command)
  const words = [...parts.flatMap(({ argv }) => argv), input.command, ...input.args]
  const variables = planEnvironment(environmentParts(input, scope))
  const dropped = droppedCredentials(variables)
  return {
    server: server.name,
    argv: words as [string, ...string[]],
    cwd: input.cwd,
    variables,
    parts,
    scope,
    secretFiles: input.secrets
      .filter(({ as }) => as === 'file')
      .map(({ name, value }) => ({ path: secretPath(input, name), content: value })),
    boundTo: isTied(server, host, scope) ? host.parent.pid : undefined,
    notes: [...(dropped.length === 0 ? [] : [droppedNote(server, dropped)]), ...scopeNotes(server, host, trial, scope)],
  }
}

function environmentParts(input: PlanInput, scope: Scope | undefined): EnvironmentParts {
  const { clientEnv, host, server } = input
  const launcher: { name: string; value: string | undefined; why: string }[] = []
  if (input.path.length > 0) {
    const value = [...input.path, clientEnv['PATH'] || DEFAULT_PATH].join(':')
    launcher.push({ name: 'PATH', value, why: "the server's path before the client's" })
  }
  if (server.cwd !== undefined) launcher.push({ name: 'PWD', value: input.cwd, why: "the server's cwd" })
  if (scope !== undefined && host.runtimeDirectory !== undefined) {
    launcher.push({ name: RUNTIME_DIRECTORY, value: host.runtimeDirectory, why: 'systemd-run needs it' })
    launcher.push({ name: 'INVOCATION_ID', value: undefined, why: "systemd-run sets it: the scope's id" })
  }
  return {
    client: clientEnv,
    server,
    launcher,
    plain: input.plainEnv,
    secrets: input.secrets.map(({ name, as, value, why }) =>
      as === 'file' ? { name, why: `${why}, as a file`, value: secretPath(input, name) } : { name, why, value },
    ),
  }
}

function secretPath(input: PlanInput, name: string): string {
  return `${input.secretDirectory}/${name}`
}

const RUNTIME_DIRECTORY = 'XDG_RUNTIME_DIR'

/** `systemd-run` has the server's environment, and finds the user manager by it. */
export function runtimeDirectoryProblem({ server, variables, scope }: Plan, host: Host): LaunchError[] {
  const variable = variables.find(({ name }) => name === RUNTIME_DIRECTORY)
  if (scope === undefined || variable?.decision !== 'set' || variable.origin === 'launcher') return []
  if (variable.value === host.runtimeDirectory) return []
  return [
    new LaunchError('failure', {
      what: "can't give a scope to server",
      subject: server,
      why: `it sets ${RUNTIME_DIRECTORY}, by which systemd is found`,
      hint: `take ${RUNTIME_DIRECTORY} out of the registry, or set "scope: off" for this server`,
    }),
  ]
}

/** What stops a server that requires a scope where there can be none. */
export function scopeProblem(server: ServerEntry, trial: Trial): LaunchError[] {
  if (server.scope !== 'require' || trial.scope === undefined) return []
  return [
    new LaunchError('failure', {
      what: "can't give a scope to server",
      subject: server.name,
      why: trial.scope,
      hint: 'start a user manager (loginctl enable-linger), or set "scope: auto" to start the server without one',
    }),
  ]
}

function isTied({ deathSignal }: ServerEntry, { parent }: Host, scope: Scope | undefined): boolean {
  return parent.isDetached !== true && (deathSignal !== 'off' || scope !== undefined)
}

/** What `systemd-run` says of a socket that a manager which died has left. */
const NOBODY = /^Failed to connect to (?:user scope )?bus/

/** A bus alone, as D-Bus has it without systemd, is no user manager. */
function isSystemd(manager: Host['manager']): boolean {
  return manager.listening && manager.socket.endsWith('/systemd/private')
}

/** A scope that is bound to nobody outlives a client that is killed; it isn't refused, for it holds the limits. */
function scopeNotes(server: ServerEntry, { parent, manager }: Host, trial: Trial, scope: Scope | undefined): string[] {
  const { name } = server
  if (server.scope === 'auto' && trial.scope !== undefined && isSystemd(manager) && !NOBODY.test(trial.scope)) {
    return [`server "${name}" is started without a scope, although there is a user manager: ${trial.scope}`]
  }
  if (parent.isDetached) return [`server "${name}" ends with its input, and not with its client: ${DETACHED}`]
  if (scope === undefined || 'unit' in scope.watch || !scope.watch.isDefect) return []
  return [`server "${name}" doesn't end with its client (pid ${parent.pid}) if that is killed: ${scope.watch.why}`]
}

function droppedNote(server: ServerEntry, names: readonly string[]): string {
  return `not passed to server "${server.name}" because they look like credentials: ${names.join(', ')} (passEnv keeps them)`
}
