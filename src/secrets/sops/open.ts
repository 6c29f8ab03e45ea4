import type { World } from '../../world.ts'
import { readEncryptedFile } from '../age/encrypted-file.ts'
import type { Keyring } from '../age/keyring.ts'
import { Refusal } from '../age/refusal.ts'
import type { Deadline } from '../source.ts'
import { markEncrypted } from './coverage.ts'
import { openDataKey } from './data-key.ts'
import { decryptDocument } from './decrypt.ts'
import { type Document, type FileKind, kindOf, parseDocument } from './document.ts'
import { NeedsSopsProgram } from './hand-over.ts'
import { decryptWithProgram } from './program.ts'
import type { Clear, MapOf } from './tree.ts'

/** A SOPS file, decrypted, its MAC checked. */
export interface SopsFile {
  readonly kind: FileKind
  readonly values: MapOf<Clear>
  /** Its MAC is over the encrypted leaves alone. */
  readonly macOnlyEncrypted: boolean
}

/** Opens a file with an age key, or with the `sops` program where that alone can. Throws a `Refusal` or a `LaunchError`. */
export async function openSopsFile(
  world: World,
  file: string,
  keyring: Keyring,
  deadline: Deadline,
): Promise<SopsFile> {
  const bytes = readEncryptedFile(world, file)
  const kind = kindOf(file)
  let document: Document | undefined
  try {
    document = parseDocument(bytes, kind)
    const values = decryptDocument(document, await openDataKey(document.metadata, keyring))
    return { kind, values, macOnlyEncrypted: document.metadata.macOnlyEncrypted }
  } catch (error) {
    if (!(error instanceof NeedsSopsProgram)) throw error
    const values = await decryptWithProgram(world, file, kind, error.reason, deadline)
    return { kind, ...covered(values, document, bytes) }
  }
}

function covered(values: MapOf<Clear>, document: Document | undefined, bytes: Buffer): Omit<SopsFile, 'kind'> {
  if (document !== undefined) {
    const { macOnlyEncrypted } = document.metadata
    return { values: markEncrypted(values, document.values), macOnlyEncrypted }
  }
  // It couldn't be read here, so that there is no telling which values that MAC is over.
  if (bytes.includes('mac_only_encrypted')) {
    throw new Refusal(
      'it has mac_only_encrypted, which works here for plain YAML, JSON and dotenv alone',
      'encrypt it anew without mac_only_encrypted',
    )
  }
  return { values, macOnlyEncrypted: false }
}
