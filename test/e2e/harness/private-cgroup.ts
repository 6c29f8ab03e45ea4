import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { cgroupPaths, HAND_DOWN, type Hierarchies, managerMounts, mountedHierarchies } from './hierarchies.ts'
import { waitFor } from './wait-for.ts'

/**
 * Makes an empty cgroup of this name in every tree that a user manager works in, and returns its directories.
 * @throws Node's own errors where this process may not.
 */
export function makeCgroup(name: string): string[] {
  const hierarchies = mountedHierarchies()
  const directories = parents(hierarchies).map((parent) => join(parent, name))
  if (directories.length === 0) throw new Error('no cgroup tree is mounted')
  for (const directory of directories) mkdirSync(directory)
  return directories
}

/** Kills what is in these cgroups and below, and removes them. */
export async function removeCgroup(directories: readonly string[]): Promise<void> {
  await waitFor(() => directories.every(emptied), { what: `the end of all processes in ${directories.join(', ')}` })
  for (const directory of directories) removeTree(directory)
}

/** Cgroups of this prefix that a killed run left behind. */
export function findCgroups(prefix: string): string[] {
  return parents(mountedHierarchies()).flatMap((parent) =>
    readdirSync(parent)
      .filter((name) => name.startsWith(prefix))
      .map((name) => join(parent, name)),
  )
}

/** Removes a cgroup and those below it, unless there are processes in it. */
export function removeIfEmpty(directory: string): void {
  try {
    removeTree(directory)
  } catch {
    // Busy: somebody else's, of another pid namespace.
  }
}

function parents(hierarchies: Hierarchies): string[] {
  // Version 1 has one place that is writable and free in all trees alike: the root.
  if (hierarchies.legacy.has('name=systemd')) return managerMounts(hierarchies)
  return hierarchies.unified === undefined ? [] : [delegatingParent(hierarchies.unified)]
}

/** The nearest cgroup above this process that can hand down controllers (one with processes of its own can't). */
function delegatingParent(mount: string): string {
  const own = join(mount, cgroupPaths('self').get('') ?? '/')
  for (let candidate = own; candidate.startsWith(mount); candidate = dirname(candidate)) {
    if (handsDown(candidate)) return candidate
  }
  return own
}

function handsDown(directory: string): boolean {
  try {
    writeFileSync(join(directory, 'cgroup.subtree_control'), HAND_DOWN)
    return true
  } catch {
    return false
  }
}

function emptied(directory: string): boolean {
  const pids = processesBelow(directory)
  for (const pid of pids) kill(pid)
  return pids.length === 0
}

function processesBelow(directory: string): number[] {
  if (!existsSync(directory)) return []
  const own = readFileSync(join(directory, 'cgroup.procs'), 'utf8').split('\n').map(Number)
  // 0 is a process of another pid namespace, and the line after the last.
  return [...own.filter((pid) => pid > 0), ...subdirectories(directory).flatMap(processesBelow)]
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It ended meanwhile.
  }
}

function removeTree(directory: string): void {
  if (!existsSync(directory)) return
  for (const subdirectory of subdirectories(directory)) removeTree(subdirectory)
  rmdirSync(directory)
}

function subdirectories(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(directory, entry.name))
}
