import { dirname } from 'node:path'
import { auditLogs } from '../audit.ts'
import { cacheDirectory, stateDirectory } from '../directories.ts'
import { errnoWords, LaunchError } from '../errors.ts'
import { assertOnlyOwnerReads, assertOnlyOwnerWrites, shellWord } from '../permissions.ts'
import type { ServerEntry } from '../registry/entry.ts'
import { defaultKeyFiles } from '../secrets/age/key-places.ts'
import { places } from '../secrets/cache/places.ts'
import { type Context, specsOf } from '../secrets/open.ts'
import { resolvePath } from '../secrets/path.ts'
import { isOnePassword, type Ref } from '../secrets/ref.ts'
import type { FileStat, World } from '../world.ts'
import { count, errorFindings, type Report } from './finding.ts'

/** Who else may do what with a file, at most. `key`: nothing, or the launcher refuses it. */
interface Watched {
  readonly path: string
  readonly what: string
  readonly kind: 'key' | 'private' | 'not written'
}

/**
 * Owner and permissions of every file that is ours or that holds a secret for us. The registry's are looked at when it
 * is loaded. A directory that can't be written is told of as well.
 */
export function checkPermissions(
  world: World,
  context: Context | undefined,
  servers: readonly ServerEntry[],
  report: Report,
): void {
  const watched = [...ownFiles(world), ...(context === undefined ? [] : usedFiles(world, context, servers))]
  const unique = [...new Map(watched.map((file) => [file.path, file])).values()]
  const present = unique.flatMap((file) => {
    const stat = statOf(world, file.path)
    return stat === undefined ? [] : [{ ...file, stat }]
  })
  let bad = 0
  const complain: Report = (finding) => {
    bad += 1
    report(finding)
  }
  for (const file of present) checkFile(world, file, complain)
  if (bad === 0) {
    const why = `nobody else can read or change what is ours (${count(present.length, 'file')})`
    report({ severity: 'ok', area: 'permissions', subject: '', what: 'permissions', why })
  }
  for (const [directory, loss] of [
    [cacheDirectory(world), 'every start asks for all secrets anew and takes longer'],
    [stateDirectory(world), 'there is no audit log, and no key for the cache'],
  ] as const) {
    checkWritable(world, directory, loss, report)
  }
}

function ownFiles(world: World): Watched[] {
  const cache = cacheDirectory(world)
  const { values, meta, machineKey } = places(world)
  const compiled = namesIn(world, `${cache}/registry`).map((name) => `${cache}/registry/${name}`)
  const state = stateDirectory(world)
  const logs = namesIn(world, `${state}/logs`).map((name) => `${state}/logs/${name}`)
  const inPrivate = [values, meta, state, ...auditLogs(world), ...logs]
  return [
    { path: machineKey, what: 'the machine key', kind: 'key' },
    { path: cache, what: 'the cache directory', kind: 'not written' },
    ...inPrivate.map((path) => ({ path, what: 'file', kind: 'private' }) as const),
    ...[`${cache}/host.json`, `${cache}/registry`, ...compiled].map(
      (path) => ({ path, what: 'file', kind: 'not written' }) as const,
    ),
  ]
}

/** Keys, tokens and secrets of the user's, and the encrypted files that somebody could replace. */
function usedFiles(world: World, { settings, registryPath }: Context, servers: readonly ServerEntry[]): Watched[] {
  const refs = servers.flatMap((server) => specsOf(server).map(([, { from }]) => from))
  const usesOp = refs.some(isOnePassword)
  const usesAge = refs.some(({ kind }) => kind === 'sops' || kind === 'age')
  const given = world.env['SOPS_AGE_KEY_FILE']
  const keyFiles = [...(given?.startsWith('/') ? [given] : []), ...defaultKeyFiles(world)]
  const file = (ref: Ref): Watched[] => {
    if (ref.kind === 'file') return [{ path: pathOf(ref.file), what: 'the secret file', kind: 'key' }]
    if (ref.kind !== 'age' && ref.kind !== 'sops') return []
    return [{ path: pathOf(ref.file), what: 'encrypted file', kind: 'not written' }]
  }
  const pathOf = (name: string): string => resolvePath(world, dirname(registryPath), name)
  return [
    ...(usesAge ? keyFiles.map((path) => ({ path, what: 'key file', kind: 'key' }) as const) : []),
    ...(usesOp ? file(settings.onepassword.token) : []),
    ...refs.flatMap(file),
  ]
}

/** None where there is no directory, or none that can be read: what that costs is told of by `checkWritable`. */
function namesIn(world: World, directory: string): readonly string[] {
  try {
    return world.files.list(directory)
  } catch {
    return []
  }
}

function statOf(world: World, path: string): FileStat | undefined {
  try {
    return world.files.stat(path)
  } catch {
    // A directory that can't be searched: whoever needs the file says so.
    return undefined
  }
}

function checkFile(world: World, { path, what, kind, stat }: Watched & { stat: FileStat }, report: Report): void {
  try {
    if (kind === 'key') assertOnlyOwnerReads(world, path, stat, what)
    else assertOnlyOwnerWrites(world, path, stat, what)
  } catch (error) {
    if (!(error instanceof LaunchError)) throw error
    for (const finding of errorFindings('permissions', path, error)) report(finding)
    return
  }
  if (kind !== 'private' || (stat.mode & 0o077) === 0) return
  report({
    severity: 'warning',
    area: 'permissions',
    subject: path,
    what: stat.kind === 'directory' ? 'directory' : what,
    why: `others can read it (mode ${(stat.mode & 0o777).toString(8).padStart(4, '0')})`,
    action: `chmod ${stat.kind === 'directory' ? '700' : '600'} ${shellWord(path)}`,
  })
}

/** Tries it, as a launch would: a mount may be read-only whatever the permissions say. */
function checkWritable(world: World, directory: string, loss: string, report: Report): void {
  const probe = `${directory}/.check.${world.pid}.tmp`
  try {
    world.files.makeDirectory(directory)
    world.files.create(probe, '')
    world.files.remove(probe)
  } catch (error) {
    report({
      severity: 'warning',
      area: 'permissions',
      subject: directory,
      what: "can't write to",
      why: `${errnoWords(error)}; ${loss}`,
      action: `make it a directory that you can write to: ls -ld ${shellWord(directory)}`,
    })
  }
}
