import { dirname } from 'node:path'
import { proc } from '../proc.ts'
import type { World } from '../world.ts'

/** What binds a process with all that shares its cgroup, or one above that; undefined for no limit. */
export interface Limits {
  /** Bytes. */
  readonly memory: number | undefined
  readonly tasks: number | undefined
}

const MOUNT = '/sys/fs/cgroup'
/** By controller, in version 1 and in version 2 of cgroups. */
const FILES = {
  memory: ['memory.limit_in_bytes', 'memory.max'],
  pids: ['pids.max', 'pids.max'],
} as const
/** Version 1 says the largest multiple of a page for no limit. */
const NO_LIMIT = 2 ** 62

/** The smallest limits of a process's cgroup and of all above it: of its slice, of the user's, of a container. */
export function limitsOf(world: World, pid: number): Limits {
  const lines = proc(world, `${pid}/cgroup`).split('\n')
  return { memory: smallest(world, lines, 'memory'), tasks: smallest(world, lines, 'pids') }
}

function smallest(world: World, lines: readonly string[], controller: keyof typeof FILES): number | undefined {
  const limits = lines
    .flatMap((line) => places(line, controller))
    .flatMap(({ root, path, file }) => upward(path).flatMap((each) => limitIn(world, `${root}${each}/${file}`) ?? []))
  return limits.length === 0 ? undefined : Math.min(...limits)
}

/** `4:memory:/path` is of version 1, `0::/path` of version 2, which may stand beside the others (cgroups(7)). */
function places(line: string, controller: keyof typeof FILES): { root: string; path: string; file: string }[] {
  const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? []
  const [first, second] = FILES[controller]
  if (controllers === undefined || path === undefined) return []
  if (controllers === '') return [MOUNT, `${MOUNT}/unified`].map((root) => ({ root, path, file: second }))
  return controllers === controller ? [{ root: `${MOUNT}/${controller}`, path, file: first }] : []
}

/** `/a/b`, `/a`, and '' for the top, which in a container has its limit. */
function upward(path: string): string[] {
  return path === '/' ? [''] : [path, ...upward(dirname(path))]
}

function limitIn(world: World, path: string): number | undefined {
  try {
    const limit = Number(world.files.read(path).toString())
    return limit < NO_LIMIT ? limit : undefined
  } catch {
    return undefined
  }
}
