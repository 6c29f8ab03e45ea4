import { errnoOf, errnoWords } from '../../errors.ts'
import type { World } from '../../world.ts'
import { Refusal } from './refusal.ts'

/** As much as a program's output may be; a secret that is larger fits into no environment. */
const SIZE_LIMIT_BYTES = 4 * 1024 * 1024

export function readEncryptedFile(world: World, path: string): Buffer {
  try {
    const stat = world.files.stat(path)
    if (stat !== undefined && stat.size > SIZE_LIMIT_BYTES)
      throw new Refusal('it is larger than 4 MiB', 'keep the secrets of servers in a file of their own')
    return world.files.read(path)
  } catch (error) {
    if (error instanceof Refusal) throw error
    throw new Refusal(errnoWords(error), hintFor(errnoOf(error)))
  }
}

function hintFor(errno: string | undefined): string {
  if (errno === 'ENOENT' || errno === 'ENOTDIR') {
    return 'correct the reference: a relative path starts at the directory of the registry'
  }
  return errno === 'EISDIR' ? 'name the file in it' : 'make it readable for yourself: chmod u+r FILE'
}

/** Bytes as text, or undefined if they aren't UTF-8. Keeps a byte order mark: it is part of the value. */
export function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}
