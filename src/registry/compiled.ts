import { VERSION } from '../build.ts'
import { cacheDirectory } from '../directories.ts'
import type { FileStat, World } from '../world.ts'
import type { ServerEntry, Settings } from './entry.ts'

/**
 * The registry as the hit path reads it: one line a server, `<checksum> {"name":…,"server":…,"settings":…}`, in a file
 * named after the registry's bytes. A launch reads the file and parses one line, so that it costs with a thousand
 * servers what it costs with one. It can be made again at any time: whatever is odd about it is a miss.
 */
export interface CompiledServer {
  readonly server: ServerEntry
  readonly settings: Settings
}

/** To be raised whenever {@link ServerEntry}, {@link Settings} or the meaning of a registry changes. */
const FORMAT = 3

const NAME = /^[0-9a-f]{64}\.[\w.+-]+\.jsonl(?:\.\d+\.tmp)?$/
const KEPT_FILES = 8
const CHECKSUM_LENGTH = 32
const LARGEST_CHARACTERS = 16_000_000
const GROUP_OR_OTHERS_WRITE = 0o022
const NEWLINE = 0x0a

/** The server's line, or undefined if there is none that can be trusted. Never throws. */
export function readCompiled(world: World, registryHash: string, serverName: string): CompiledServer | undefined {
  try {
    const directory = compiledDirectory(world)
    const path = compiledPath(directory, registryHash)
    if (!isOwn(world, world.files.stat(directory)) || !isOwn(world, world.files.stat(path))) return undefined
    const json = findLine(world, world.files.read(path), registryHash, serverName)
    return json === undefined ? undefined : (JSON.parse(json) as CompiledServer)
  } catch {
    return undefined
  }
}

/** Writes the form of all servers and removes old ones. A cache that can't be written is no error. */
export function writeCompiled(
  world: World,
  registryHash: string,
  registry: { readonly servers: ReadonlyMap<string, ServerEntry>; readonly settings: Settings },
): void {
  const lines: string[] = []
  let characters = 0
  for (const [name, server] of registry.servers) {
    const json = JSON.stringify({ name, server, settings: registry.settings })
    characters += json.length
    if (characters > LARGEST_CHARACTERS) return
    lines.push(`${checksum(world, registryHash, json)} ${json}\n`)
  }
  try {
    const directory = compiledDirectory(world)
    world.files.makeDirectory(directory)
    world.files.writeWhole(compiledPath(directory, registryHash), lines.join(''))
    removeOld(world, directory)
  } catch {
    // The next launch tries again.
  }
}

/**
 * JSON escapes quotes within strings and puts no space before a brace, so that the searched text can only stand at the
 * beginning of the server's line.
 */
function findLine(world: World, file: Buffer, registryHash: string, serverName: string): string | undefined {
  const space = file.indexOf(` {"name":${JSON.stringify(serverName)},`)
  const lineStart = space - CHECKSUM_LENGTH
  if (lineStart < 0 || (lineStart > 0 && file[lineStart - 1] !== NEWLINE)) return undefined
  const lineEnd = file.indexOf(NEWLINE, space)
  if (lineEnd === -1) return undefined
  const json = file.toString('utf8', space + 1, lineEnd)
  const expected = file.toString('latin1', lineStart, space)
  return checksum(world, registryHash, json) === expected ? json : undefined
}

function checksum(world: World, registryHash: string, json: string): string {
  return world.sha256(`${registryHash}\n${json}`).slice(0, CHECKSUM_LENGTH)
}

function compiledDirectory(world: World): string {
  return `${cacheDirectory(world)}/registry`
}

function compiledPath(directory: string, registryHash: string): string {
  return `${directory}/${registryHash}.${FORMAT}-${VERSION}.jsonl`
}

function isOwn(world: World, stat: FileStat | undefined): boolean {
  return stat !== undefined && stat.uid === world.uid && (stat.mode & GROUP_OR_OTHERS_WRITE) === 0
}

/** Touches nothing but what bears the name of a compiled registry, left-over temporary files included. */
function removeOld(world: World, directory: string): void {
  const files = world.files
    .list(directory)
    .filter((name) => NAME.test(name))
    .map((name) => `${directory}/${name}`)
  if (files.length <= KEPT_FILES) return
  const dated = files.map((path) => ({ path, modifiedMs: world.files.stat(path)?.modifiedMs ?? 0 }))
  dated.sort((a, b) => b.modifiedMs - a.modifiedMs)
  for (const { path } of dated.slice(KEPT_FILES)) world.files.remove(path)
}
