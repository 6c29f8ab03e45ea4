import { errnoWords, LaunchError } from '../../errors.ts'
import { assertOnlyOwnerReads } from '../../permissions.ts'
import type { World } from '../../world.ts'
import { resolvePath } from '../path.ts'
import type { Ref } from '../ref.ts'
import { Secret } from '../secret.ts'
import { notAsked, type Outcome, type Source, SourceError } from '../source.ts'
import { textOf } from '../text.ts'

/** Larger than any key or certificate, and smaller than what an environment or a runtime directory bears. */
const LIMIT_BYTES = 1024 * 1024

/**
 * `file:PATH`: a file's content, less one final newline, as sops-nix, agenix and systemd credentials hand secrets out.
 * A relative path is relative to `baseDirectory`, the registry's.
 */
export function fileSource(world: World, baseDirectory: string): Source {
  return {
    resolve(refs) {
      const own = refs.filter((ref) => ref.kind === 'file')
      return Promise.resolve(new Map(own.map((ref) => [ref.text, readValue(world, baseDirectory, ref)])))
    },
  }
}

function readValue(world: World, baseDirectory: string, ref: Extract<Ref, { kind: 'file' }>): Outcome {
  try {
    const path = resolvePath(world, baseDirectory, ref.file)
    const stat = world.files.stat(path)
    if (stat === undefined) return failure(ref, `no such file ${path}`, 'make the file, or mend the reference')
    if (stat.kind === 'directory') return failure(ref, `${path} is a directory`, 'name the file in it')
    assertOnlyOwnerReads(world, path, stat, 'the secret file')
    if (stat.size > LIMIT_BYTES) return failure(ref, `${path} is larger than 1 MiB`, 'name a smaller file')
    const text = textOf(world.files.readAny(path))
    if (text === '') return failure(ref, `${path} is empty`, 'write the secret into it')
    return text === undefined ? failure(ref, `${path} is no UTF-8 text`, 'store it encoded (base64)') : new Secret(text)
  } catch (error) {
    if (error instanceof LaunchError) return notAsked(error)
    return failure(ref, errnoWords(error), "mend the file's permissions")
  }
}

function failure(ref: Ref, why: string, hint: string): LaunchError {
  return new SourceError('not-asked', { what: "can't resolve", subject: ref.text, why, hint })
}
