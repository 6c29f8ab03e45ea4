import type { World } from '../world.ts'
import type { ClientWatch, NoWatch } from './client-watch.ts'

const SCOPE = '.scope'
/** What of the client's environment `gc` needs; the rest is nobody's business. */
const NEEDED = /^(?:HOME|PATH|TMPDIR|XDG_\w+_(?:HOME|DIR))$/

/**
 * Has `gc` look, in the background, at what earlier servers of this client have left: it may live for weeks, and nobody
 * is served by them. Without a scope of this client whose leader has ended that costs a look at a directory.
 *
 * @param watch of this launch's client, undefined without a scope.
 */
export async function cleanUpBehind(
  world: World,
  {
    runtimeDirectory,
    parent,
  }: { readonly runtimeDirectory: string | undefined; readonly parent: { readonly pid: number } },
  watch: ClientWatch | NoWatch | undefined,
): Promise<void> {
  if (runtimeDirectory === undefined || watch === undefined || !('unit' in watch)) return
  if (!hasLeftovers(world, `${runtimeDirectory}/systemd/transient`, watch.unit)) return
  const names = Object.keys(world.env).filter((name) => NEEDED.test(name))
  const env = Object.fromEntries(names.map((name) => [name, world.env[name] ?? '']))
  const argv = [...world.processes.self, 'gc', '--of-client', String(parent.pid)] as const
  await world.processes.startDetached(argv, { ...env, XDG_RUNTIME_DIR: runtimeDirectory }).catch(() => {
    // The next launch tries again.
  })
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
