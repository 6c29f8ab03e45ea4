import { join } from 'node:path'
import { VERSION } from '../build.ts'
import { cacheDirectory } from '../directories.ts'
import type { World } from '../world.ts'

/** How many results are kept; each server with limits of its own has one. */
const REMEMBERED = 64

/**
 * What earlier launches found out about this machine: `$XDG_CACHE_HOME/mcp-launch/host.json`. A key holds everything
 * that a result depends on, so nothing has to be made invalid. Lost or damaged, it only costs a launch its trials.
 */
export class TrialMemory {
  readonly #world: World
  readonly #path: string
  readonly #results: Map<string, string>
  readonly #anew: boolean
  #changed = false

  /** @param anew nothing that is remembered is told. */
  constructor(world: World, { anew }: { readonly anew: boolean }) {
    this.#world = world
    this.#anew = anew
    this.#path = join(cacheDirectory(world), 'host.json')
    this.#results = read(world, this.#path)
  }

  recall(key: string): string | undefined {
    return this.#anew ? undefined : this.#results.get(key)
  }

  keep(key: string, result: string): void {
    this.#results.delete(key)
    this.#results.set(key, result)
    this.#changed = true
  }

  forget(key: string): void {
    this.#changed = this.#results.delete(key) || this.#changed
  }

  save(): void {
    if (!this.#changed) return
    const results = Object.fromEntries([...this.#results].slice(-REMEMBERED))
    try {
      this.#world.files.makeDirectory(cacheDirectory(this.#world))
      this.#world.files.writeWhole(this.#path, JSON.stringify(results))
    } catch {
      // A read-only home: the next launch tries again.
    }
  }

  /** A key for a result that holds while these files and this boot are the same. */
  key(about: unknown, files: readonly string[]): string {
    const prints = files.map((file) => [file, fingerprint(this.#world, file)])
    return this.#world.sha256(JSON.stringify([VERSION, bootId(this.#world), about, prints])).slice(0, 32)
  }
}

function read(world: World, path: string): Map<string, string> {
  try {
    const results: unknown = JSON.parse(world.files.read(path).toString())
    if (typeof results !== 'object' || results === null) return new Map()
    return new Map(Object.entries(results).filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
  } catch {
    return new Map()
  }
}

function fingerprint(world: World, file: string): readonly number[] {
  try {
    const stat = world.files.stat(file)
    return stat === undefined ? [] : [stat.inode, stat.size, stat.modifiedMs, stat.changedMs]
  } catch {
    return []
  }
}

function bootId(world: World): string {
  try {
    return world.files.read('/proc/sys/kernel/random/boot_id').toString('latin1')
  } catch {
    return ''
  }
}
