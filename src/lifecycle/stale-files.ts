import { cacheDirectory, stateDirectory } from '../directories.ts'
import { CLAIM } from '../lock.ts'
import { DRAFT } from '../machine/files.ts'
import type { World } from '../world.ts'
import { isClientAlive } from './servers.ts'

/** A file or directory of ours that nobody needs any more. */
export interface StaleFile {
  readonly path: string
  readonly why: string
}

/** `SERVER.PID.START`, of `launch/secret-files.ts`; a start of 0 tells nothing. */
const SECRETS = /^[a-z0-9][a-z0-9._-]*\.([1-9]\d*)\.([1-9]\d*)$/
/** `PID.START`: with `.new` of `earlier-servers.ts`, otherwise of the client watches of earlier versions. */
const MARKER = /^([1-9]\d*)\.([1-9]\d*)(?:\.new|\.lock)?$/
/** The pipes of `launch/log.ts`. */
const LOG_PIPE = /^[a-z0-9][a-z0-9._-]*\.log\.([1-9]\d*)\.fifo$/
/** The files of the cache, the key and the locks: what is written whole. */
const WRITTEN =
  /^(?:secrets\.(?:enc|meta)|host\.json|machine\.key|[0-9a-f]{64}\.[\w.+-]+\.jsonl|(?:secrets|fetch-[0-9a-f]{16}|machine\.key)\.lock|\.check)$/
/** Writing takes milliseconds. */
const DRAFT_MS = 600_000
const OTHERS = 0o077

/** What ended servers, ended clients and killed writers left behind. Only names that we give, and nobody's links. */
export function staleFiles(world: World, runtimeDirectory: string | undefined): StaleFile[] {
  const temporary = world.env['TMPDIR']?.startsWith('/') ? world.env['TMPDIR'] : '/tmp'
  // The places of `launch/secret-files.ts`.
  const roots = [
    ...(runtimeDirectory === undefined ? [] : [`${runtimeDirectory}/mcp-launch`]),
    `${temporary}/mcp-launch-${world.uid}`,
  ]
  const own = roots.filter((root) => isPrivate(world, root))
  return [
    ...own.flatMap((root) => secretDirectories(world, root)),
    ...own
      .map((root) => `${root}/clients`)
      .flatMap((directory) => (isPrivate(world, directory) ? markers(world, directory) : [])),
    ...[cacheDirectory(world), `${cacheDirectory(world)}/registry`, stateDirectory(world)].flatMap((directory) =>
      drafts(world, directory),
    ),
    ...logPipes(world, `${stateDirectory(world)}/logs`),
  ]
}

function secretDirectories(world: World, root: string): StaleFile[] {
  return names(world, root).flatMap((name) => {
    const [, pid, start] = SECRETS.exec(name) ?? []
    const path = `${root}/${name}`
    if (pid === undefined || !isPrivate(world, path)) return []
    if (isClientAlive(world, { pid: Number(pid), start: Number(start) })) return []
    return [{ path, why: `the server it was written for (pid ${pid}) has ended` }]
  })
}

function markers(world: World, directory: string): StaleFile[] {
  return names(world, directory).flatMap((name) => {
    const [, pid, start] = MARKER.exec(DRAFT.exec(name)?.[1] ?? CLAIM.exec(name)?.[1] ?? name) ?? []
    const path = `${directory}/${name}`
    if (pid === undefined || !isOwnFile(world, path)) return []
    if (isClientAlive(world, { pid: Number(pid), start: Number(start) })) return []
    return [{ path, why: `the client (pid ${pid}) has ended` }]
  })
}

function drafts(world: World, directory: string): StaleFile[] {
  if (lstat(world, directory)?.uid !== world.uid) return []
  return names(world, directory).flatMap((name) => {
    const [, file = '', pid] = DRAFT.exec(name) ?? CLAIM.exec(name) ?? []
    const path = `${directory}/${name}`
    if (!WRITTEN.test(file) || !isOwnFile(world, path)) return []
    if (pid !== undefined && !world.processes.isAlive(Number(pid)))
      return [{ path, why: `its writer (pid ${pid}) has ended` }]
    const ageMs = world.now() - (lstat(world, path)?.modifiedMs ?? world.now())
    return ageMs > DRAFT_MS ? [{ path, why: 'it was begun long ago and never finished' }] : []
  })
}

/** The server has the pid of the launcher, and its start removes them. */
function logPipes(world: World, directory: string): StaleFile[] {
  return names(world, directory).flatMap((name) => {
    const [, pid] = LOG_PIPE.exec(name) ?? []
    const path = `${directory}/${name}`
    const stat = pid === undefined ? undefined : lstat(world, path)
    if (stat?.kind !== 'other' || stat.uid !== world.uid || world.processes.isAlive(Number(pid))) return []
    return [{ path, why: `the server it was made for (pid ${pid}) has ended` }]
  })
}

function names(world: World, directory: string): readonly string[] {
  try {
    return world.files.list(directory)
  } catch {
    return []
  }
}

function isPrivate(world: World, path: string): boolean {
  const stat = lstat(world, path)
  return stat?.kind === 'directory' && stat.uid === world.uid && (stat.mode & OTHERS) === 0
}

function isOwnFile(world: World, path: string): boolean {
  const stat = lstat(world, path)
  return stat?.kind === 'file' && stat.uid === world.uid
}

function lstat(world: World, path: string): ReturnType<World['files']['lstat']> {
  try {
    return world.files.lstat(path)
  } catch {
    return undefined
  }
}
