import { errnoWords, LaunchError } from '../errors.ts'
import { assertOnlyOwnerWrites } from '../permissions.ts'
import type { World } from '../world.ts'

/** Some 5,000 servers. */
const LARGEST_BYTES = 1_000_000

/** The registry's bytes, once it is sure that nobody else could have written them. Throws `usage` errors. */
export function readRegistryFile(world: World, path: string): Buffer {
  const refuse = (why: string, hint?: string): LaunchError =>
    new LaunchError('usage', {
      what: "can't read registry",
      subject: path,
      why,
      ...(hint === undefined ? {} : { hint }),
    })
  const attempt = <T>(call: () => T): T => {
    try {
      return call()
    } catch (error) {
      throw refuse(errnoWords(error))
    }
  }
  const stat = attempt(() => world.files.stat(path))
  if (stat === undefined) throw refuse('no such file', 'mcp-launch init')
  if (stat.kind === 'directory') throw refuse('is a directory', 'give the file in it')
  if (stat.kind === 'other') throw refuse('is not a regular file')
  if (stat.size > LARGEST_BYTES) throw refuse('is larger than 1 MB', 'is it a registry?')
  assertOnlyOwnerWrites(world, path, stat, 'registry')
  const bytes = attempt(() => world.files.read(path))
  if (bytes.length > LARGEST_BYTES) throw refuse('is larger than 1 MB')
  return bytes
}
