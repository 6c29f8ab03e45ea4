import { dirname } from 'node:path'
import { errnoWords } from '../errors.ts'
import { processStart } from '../process-start.ts'
import type { World } from '../world.ts'
import { type WatchTemplate, watchTemplate, watchUnit } from './watch-unit.ts'

/**
 * The unit that lives as long as a client's process. Every scope of that client's servers is bound to it, so that
 * systemd stops them all, with everything they started, when the client goes, however it goes.
 */
export interface ClientWatch {
  readonly unit: string
  /** Of the file that all clients have in common. */
  readonly prefix: string
}

/** Why there is none. */
export interface NoWatch {
  readonly why: string
  /** Whether something is wrong with this machine: a person should know. */
  readonly isDefect: boolean
}

/** For a server that gets no scope. */
export const NO_SCOPE: NoWatch = { why: 'no scope', isDefect: false }

/** Of the machine: where the unit's file goes, and what it runs. */
export interface WatchHost {
  readonly runtimeDirectory: string | undefined
  readonly manager: { readonly listening: boolean }
  readonly tools: { readonly tail?: string }
}

/**
 * Makes sure that the file is there of which every client's watch is an instance; where it is, that costs one read.
 * systemd finds a new one by itself (it looks at the time of the directory) and starts the instance together with the
 * first scope that is bound to it.
 */
export function provideWatch(world: World, { runtimeDirectory, manager, tools }: WatchHost): WatchTemplate | NoWatch {
  if (runtimeDirectory === undefined || !manager.listening) return { why: 'no user manager', isDefect: false }
  if (tools.tail === undefined) return { why: 'no tail here', isDefect: true }
  const template = watchTemplate(world, dirname(tools.tail))
  const path = `${runtimeDirectory}/systemd/user/${template.prefix}.service`
  if (isWritten(world, path, template.text)) return template
  try {
    world.files.makeDirectory(dirname(path))
    world.files.writeWhole(path, template.text)
    return template
  } catch (error) {
    return { why: `can't write ${path} (${errnoWords(error)})`, isDefect: true }
  }
}

function isWritten(world: World, path: string, text: string): boolean {
  try {
    return world.files.read(path).toString() === text
  } catch {
    return false
  }
}

/** The watch of one process, which systemd starts with the first scope that is bound to it. */
export function watchOf(world: World, template: WatchTemplate | NoWatch, pid: number): ClientWatch | NoWatch {
  if ('why' in template) return template
  const start = processStart(world, pid)
  if (start !== undefined) return { unit: watchUnit(template, { pid, start }), prefix: template.prefix }
  return { why: `client ${pid} has ended, or can't be seen`, isDefect: world.parentPid() === pid }
}

/** What binds a scope to a watch: it is started with the scope, and the scope is stopped with it, whatever ends it. */
export function bindingTo(watch: Pick<ClientWatch, 'unit'> | NoWatch): string[] {
  return 'unit' in watch ? [`BindsTo=${watch.unit}`, `After=${watch.unit}`] : []
}
