import { dirname } from 'node:path'
import { errnoWords, LaunchError } from '../errors.ts'
import { processStart } from '../process-start.ts'
import type { World } from '../world.ts'
import type { Host } from './host.ts'
import type { Plan } from './plan.ts'

/**
 * The directory of one launch's secret files: in the user's runtime directory, which is in memory and goes with the
 * session; without one in a directory of the user's own under the temporary directory. The name holds the pid and the
 * start time that the server will have too, so that what its end leaves behind can be told from what is in use.
 */
export function secretDirectory(world: World, host: Host, server: string): string {
  return `${secretRoot(world, host)}/${server}.${host.pid}.${processStart(world, host.pid) ?? 0}`
}

function secretRoot(world: World, host: Host): string {
  if (host.runtimeDirectory !== undefined) return `${host.runtimeDirectory}/mcp-launch`
  const temporary = world.env['TMPDIR']
  return `${temporary?.startsWith('/') ? temporary : '/tmp'}/mcp-launch-${world.uid}`
}

/** Writes each secret of `as: file` into a 0600 file, and removes the directories of servers that have ended. */
export function writeSecretFiles(world: World, plan: Plan): void {
  const [first] = plan.secretFiles
  if (first === undefined) return
  const directory = dirname(first.path)
  const root = dirname(directory)
  try {
    world.files.makeDirectory(root)
    assertPrivate(world, root)
    sweep(world, root)
    world.files.makeDirectory(directory)
    for (const { path, content } of plan.secretFiles) {
      world.files.remove(path)
      if (content !== undefined) world.files.create(path, content.reveal())
    }
  } catch (error) {
    if (error instanceof LaunchError) throw error
    world.files.remove(directory)
    throw new LaunchError('failure', {
      what: "can't write the secret files of server",
      subject: plan.server,
      why: `${directory}: ${errnoWords(error)}`,
      hint: 'mend or clear that directory, or hand the secret over as a variable (as: env)',
    })
  }
}

/** Takes back what {@link writeSecretFiles} wrote: the server that it was for is not started. */
export function removeSecretFiles(world: World, plan: Plan): void {
  const [first] = plan.secretFiles
  if (first !== undefined) world.files.remove(dirname(first.path))
}

/** Somebody else may have made the directory, or a link in its place, first where everybody may make one. */
function assertPrivate(world: World, root: string): void {
  const stat = world.files.lstat(root)
  if (stat?.kind === 'directory' && stat.uid === world.uid && (stat.mode & 0o077) === 0) return
  throw new LaunchError('failure', {
    what: 'refusing the directory for secret files',
    subject: root,
    why: "it is not this user's alone",
    hint: `remove it: rm -r ${root}`,
  })
}

function sweep(world: World, root: string): void {
  for (const name of world.files.list(root)) {
    const [, pid, started] = /\.(\d+)\.(\d+)$/.exec(name) ?? []
    if (pid === undefined || started === '0') continue
    if (processStart(world, Number(pid)) !== Number(started)) world.files.remove(`${root}/${name}`)
  }
}
