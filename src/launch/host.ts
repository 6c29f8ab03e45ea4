import { join } from 'node:path'
import { BUILT_IN_TOOLS, type SystemTool } from '../build.ts'
import { proc } from '../proc.ts'
import { findSystemTool } from '../programs.ts'
import type { World } from '../world.ts'
import { lookAtParent, type Parent } from './parent.ts'

/** What the machine offers to a launch; the plan is a pure function of it. */
export interface Host {
  readonly platform: NodeJS.Platform
  readonly pid: number
  readonly parent: Parent
  readonly tools: Readonly<Partial<Record<SystemTool, string>>>
  /** The user's runtime directory, given or derived; undefined if there is none. */
  readonly runtimeDirectory: string | undefined
  readonly manager: Manager
  /** The soft limit of open files that the client gives to what it starts, if ours is higher. */
  readonly openFiles: number | undefined
}

/** Whether a user manager listens that `systemd-run --user` can reach. */
export type Manager =
  | { readonly listening: true; readonly socket: string }
  | { readonly listening: false; readonly why: string }

export function inspectHost(world: World): Host {
  const runtimeDirectory = findRuntimeDirectory(world)
  const parent = lookAtParent(world)
  return {
    platform: world.platform,
    pid: world.pid,
    parent,
    tools: findTools(world),
    runtimeDirectory,
    manager: findManager(world, runtimeDirectory),
    openFiles: findOpenFiles(world, parent.pid),
  }
}

/** Node and Bun raise their own soft limit to the hard one at their start, and a server would inherit that. */
function findOpenFiles(world: World, parentPid: number): number | undefined {
  const [own, parents] = ['self', parentPid].map((pid) => {
    const limits = proc(world, `${pid}/limits`)
    return Number(/^Max open files +(\d+)/m.exec(limits)?.[1])
  })
  return parents !== undefined && own !== undefined && parents > 0 && parents < own ? parents : undefined
}

function findTools(world: World): Host['tools'] {
  if (world.platform !== 'linux') return {}
  const found: Partial<Record<SystemTool, string>> = { ...BUILT_IN_TOOLS }
  for (const tool of ['env', 'prlimit', 'setpriv', 'systemd-run', 'tail'] as const) {
    const path = found[tool] ?? findSystemTool(world, tool)
    if (path !== undefined) found[tool] = path
  }
  return found
}

/** The sockets that `systemd-run --user` connects to, in its order. */
const MANAGER_SOCKETS = ['systemd/private', 'bus']

/** MCP clients often don't pass XDG_RUNTIME_DIR; without it `systemd-run` fails after the launcher is gone. */
function findRuntimeDirectory(world: World): string | undefined {
  const derived = `/run/user/${world.uid}`
  const given = world.env['XDG_RUNTIME_DIR']
  const candidates = given?.startsWith('/') ? [given, derived] : [derived]
  const own = candidates.filter((path) => isOwnDirectory(world, path))
  const withManager = own.find((path) => MANAGER_SOCKETS.some((socket) => exists(world, join(path, socket))))
  return withManager ?? own[0]
}

function isOwnDirectory(world: World, path: string): boolean {
  try {
    const stat = world.files.stat(path)
    return stat?.kind === 'directory' && stat.uid === world.uid
  } catch {
    return false
  }
}

function exists(world: World, path: string): boolean {
  try {
    return world.files.stat(path) !== undefined
  } catch {
    return false
  }
}

function findManager(world: World, runtimeDirectory: string | undefined): Manager {
  if (world.platform !== 'linux') return { listening: false, why: `${world.platform} has no systemd` }
  if (runtimeDirectory === undefined) return { listening: false, why: `no runtime directory /run/user/${world.uid}` }
  const sockets = MANAGER_SOCKETS.map((socket) => join(runtimeDirectory, socket))
  const socket = sockets.find((path) => exists(world, path))
  if (socket === undefined) return { listening: false, why: `no user manager in ${runtimeDirectory}` }
  return { listening: true, socket }
}
