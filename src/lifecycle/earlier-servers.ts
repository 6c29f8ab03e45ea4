import { dirname } from 'node:path'
import { processStart } from '../process-start.ts'
import type { World } from '../world.ts'
import type { ClientWatch, NoWatch } from './client-watch.ts'

/** What of the launcher's host decides whether there is something to clean up; a `Host` is one. */
export interface CleanUpHost {
  readonly runtimeDirectory: string | undefined
  readonly parent: { readonly pid: number }
}

const SCOPE = '.scope'
/** What of the client's environment `gc` needs; the rest is nobody's business. */
const NEEDED = /^(?:HOME|PATH|TMPDIR|XDG_\w+_(?:HOME|DIR))$/
/** Of the launches of a client that restarts all its servers one does it. */
const CLAIM_MS = 1_000

/**
 * Has `gc` look, in the background, at what earlier servers of this client have left: it may live for weeks, and nobody
 * is served by them. Without a scope of this client whose leader has ended that costs a look at a directory.
 *
 * @param watch of this launch's client, undefined without a scope.
 */
export async function cleanUpBehind(
  world: World,
  { runtimeDirectory, parent }: CleanUpHost,
  watch: ClientWatch | NoWatch | undefined,
): Promise<void> {
  if (runtimeDirectory === undefined || watch === undefined || !('unit' in watch)) return
  if (!hasLeftovers(world, `${runtimeDirectory}/systemd/transient`, watch.unit)) return
  if (!isClaimed(world, claimOf(world, runtimeDirectory, parent.pid))) return
  const names = Object.keys(world.env).filter((name) => NEEDED.test(name))
  const env = Object.fromEntries(names.map((name) => [name, world.env[name] ?? '']))
  const argv = [...world.processes.self, 'gc', '--of-client', String(parent.pid)] as const
  await world.processes.startDetached(argv, { ...env, XDG_RUNTIME_DIR: runtimeDirectory }).catch(() => {
    // The next launch tries again.
  })
}

/** Says that `gc` is on its way for this client, and removes it when it is done; a name that any `gc` knows as stale. */
export function claimOf(world: World, runtimeDirectory: string, client: number): string {
  return `${runtimeDirectory}/mcp-launch/clients/${client}.${processStart(world, client)}.new`
}

/** systemd keeps a file there for each unit that was made at run time, as long as it has a process. */
function hasLeftovers(world: World, directory: string, watch: string): boolean {
  try {
    return world.files.list(directory).some((unit) => {
      if (!unit.startsWith('mcp-') || !unit.endsWith(SCOPE)) return false
      const leader = Number(unit.slice(unit.lastIndexOf('-') + 1, -SCOPE.length))
      if (!(leader > 0) || world.processes.isAlive(leader)) return false
      return world.files.read(`${directory}/${unit}`).toString('latin1').includes(`=${watch}\n`)
    })
  } catch {
    return false
  }
}

/** Whether this launch is the one that does it. */
function isClaimed(world: World, path: string): boolean {
  try {
    const claimed = world.files.lstat(path)
    if (claimed !== undefined && Math.abs(world.now() - claimed.modifiedMs) < CLAIM_MS) return false
    world.files.remove(path)
    world.files.makeDirectory(dirname(path))
    world.files.create(path, '')
    return true
  } catch {
    // Another launch was quicker, or the directory can't be written.
    return false
  }
}
