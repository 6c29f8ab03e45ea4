import { isAbsolute, resolve } from 'node:path'
import { LaunchError } from '../errors.ts'
import type { ServerEntry } from '../registry/entry.ts'
import { type ExpandProblem, expand } from '../registry/expand.ts'
import type { World } from '../world.ts'
import { isLaunchersOwn, looksLikeCredential } from './credentials.ts'

/** A server's entry with nothing left to expand; `cwd` and `path` are absolute. */
export interface Expanded {
  readonly command: string
  readonly args: readonly string[]
  readonly cwd: string
  readonly path: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

const RELATIVE: ExpandProblem = {
  why: 'is relative, and clients start servers in directories of their own',
  hint: 'write an absolute path, or one that begins with ~/, or give the server a cwd',
}

/** What came of an entry: all problems, and whether the places that a command is found by are without one. */
export interface Expansion {
  readonly expanded: Expanded
  readonly problems: readonly LaunchError[]
  readonly isCwdSound: boolean
  readonly isCommandSound: boolean
}

/** Expands an entry for this launch. All problems are collected; what has one is not to be used. */
export function expandServer(world: World, server: ServerEntry): Expansion {
  const problems: LaunchError[] = []
  const secretNames = new Set(Object.keys(server.secrets))
  const at = (place: string, text: string): string => {
    const report = (problem: ExpandProblem): void => {
      problems.push(placeProblem(server, place, problem))
    }
    const isVariable = place.startsWith('env.')
    return expand(text, world.env, { secretNames, report, ...(isVariable ? {} : { refuse: refuseCredential }) })
  }
  const cwd = server.cwd === undefined ? world.cwd : at('cwd', server.cwd)
  if (!isAbsolute(cwd) && problems.length === 0) {
    problems.push(
      placeProblem(server, 'cwd', { ...RELATIVE, hint: 'write an absolute path, or one that begins with ~/' }),
    )
  }
  const isCwdSound = problems.length === 0
  const fromCwd = (place: string, path: string): string => {
    // Without a cwd of its own it would be a program of whatever project the client is in.
    if (server.cwd === undefined && !isAbsolute(path)) problems.push(placeProblem(server, place, RELATIVE))
    return resolve(cwd, path)
  }
  const command = at('command', server.command)
  const found = {
    command: command.includes('/') ? fromCwd('command', command) : command,
    cwd,
    path: server.path.map((directory, index) => fromCwd(`path[${index}]`, at(`path[${index}]`, directory))),
  }
  const isCommandSound = problems.length === 0
  const expanded = {
    ...found,
    args: server.args.map((arg, index) => at(`args[${index}]`, arg)),
    env: Object.fromEntries(Object.entries(server.env).map(([name, value]) => [name, at(`env.${name}`, value)])),
  }
  return { expanded, problems, isCwdSound, isCommandSound }
}

/** A command line can be read by everybody on the machine, and what the client holds is a secret too. */
function refuseCredential(name: string, value: string): ExpandProblem | undefined {
  if (!isLaunchersOwn(name) && !looksLikeCredential(name, value)) return undefined
  return {
    why: `uses ${name}, which looks like a credential: everybody on this machine could read it there`,
    hint: `give it as a variable, under "secrets": ${name}: env:${name}`,
  }
}

function placeProblem(server: ServerEntry, place: string, { why, hint }: ExpandProblem): LaunchError {
  return new LaunchError('usage', { what: `server "${server.name}"`, why: `${place} ${why}`, hint })
}
