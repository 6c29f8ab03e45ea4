import type { Limits, ServerEntry } from '../registry/entry.ts'
import { seconds } from '../span.ts'
import type { World } from '../world.ts'
import type { Conversation } from './mcp-client.ts'

/** Why a server failed, where that can be told, and what mends it. */
export interface Cause {
  readonly why: string
  readonly action: string
}

/** What `limitCause` goes by. */
export type Ended = Pick<Conversation, 'failure' | 'readyMs' | 'end' | 'endedBy' | 'stderr'> & {
  /** How often the kernel refused it a task while it lived. */
  readonly refusedTasks: number
}

/** As libc, the shells, Node and Python say it. */
const NO_TASK = /EAGAIN|Resource temporarily unavailable|[Cc](?:annot|an't) fork|can't start new thread/

/**
 * The limit that a server has run into. Its scope, which could tell, is gone with the server: it is known by the traces.
 * Nobody but the kernel and systemd kills what `check` doesn't.
 *
 * @param limits those that hold: none without a scope.
 */
export function limitCause(limits: Limits, heard: Ended): Cause | undefined {
  const { memoryMax, tasksMax, runtimeMaxMs } = limits
  const { code, signal } = heard.end
  const isKilled = signal === 'SIGKILL' || code === 137
  const isTerminated = signal === 'SIGTERM' || code === 143 || code === 0
  if (heard.failure?.kind === 'ended' && heard.endedBy === 'itself') {
    if (runtimeMaxMs !== undefined && heard.readyMs >= runtimeMaxMs && (isKilled || isTerminated))
      return raise('runtimeMax', seconds(runtimeMaxMs), 'systemd ends it when its time is over')
    if (memoryMax !== undefined && isKilled)
      return raise('memoryMax', memoryMax, 'the kernel kills what needs more memory than it may have')
  }
  if (tasksMax !== undefined && (heard.refusedTasks > 0 || NO_TASK.test(heard.stderr)))
    return raise('tasksMax', tasksMax, 'it needs more processes and threads than it may have')
  return undefined
}

function raise(limit: string, value: string, why: string): Cause {
  return { why, action: `raise its limit "${limit}" in the registry, which is ${value}` }
}

/** Those that the kernel and systemd hold for a server: none without a scope. */
export function heldFor({ scope, limits }: ServerEntry, host: { readonly manager: { listening: boolean } }): Limits {
  return scope === 'off' || !host.manager.listening ? {} : limits
}

/** `pids.events` of a living process's cgroup, in either version. 0 where that can't be told. */
export function refusedTasks(world: World, pid: number): number {
  try {
    const lines = world.files.read(`/proc/${pid}/cgroup`).toString().trim().split('\n')
    const trees = lines.map((line) => /^\d+:([^:]*):(.*)$/.exec(line) ?? [])
    const [, controllers, path] =
      trees.find(([, names]) => names?.split(',').includes('pids')) ?? trees.find(([, names]) => names === '') ?? []
    const events = `/sys/fs/cgroup${controllers ? `/${controllers}` : ''}${path}/pids.events`
    return Number(/^max (\d+)$/m.exec(world.files.read(events).toString())?.[1] ?? 0)
  } catch {
    return 0
  }
}
