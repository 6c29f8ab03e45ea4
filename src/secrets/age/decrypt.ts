import { armor, Decrypter } from 'age-encryption'
import type { Key } from './key-text.ts'

export type Opened =
  | { readonly kind: 'opened'; readonly bytes: Buffer }
  /** It is well formed as far as can be seen, and for somebody else. */
  | { readonly kind: 'other-key' }
  /** It isn't an age file, or it was changed. */
  | { readonly kind: 'damaged' }

const ARMOR = '-----BEGIN AGE ENCRYPTED FILE-----'
const MAGIC = 'age-encryption.org/v1\n'

/** The age file as its binary form, whether it is armoured or not; undefined if it is no age file. */
export function dearmor(file: Uint8Array): Uint8Array | undefined {
  const head = Buffer.from(file.subarray(0, 256)).toString('latin1').trimStart()
  if (head.startsWith(MAGIC)) return file
  if (!head.startsWith(ARMOR)) return undefined
  try {
    return armor.decode(Buffer.from(file).toString('latin1'))
  } catch {
    return undefined
  }
}

/** Opens an age file in binary form with one identity. */
export async function decryptAge(file: Uint8Array, key: Key): Promise<Opened> {
  try {
    const decrypter = new Decrypter()
    decrypter.addIdentity(key.identity)
    return { kind: 'opened', bytes: await collect(await decrypter.decrypt(streamOf(file))) }
  } catch (error) {
    // The library tells the two apart by this text alone; a test holds it to that.
    const other = error instanceof Error && error.message.startsWith('no identity matched')
    return { kind: other ? 'other-key' : 'damaged' }
  }
}

/** For a whole array the library goes through `Response`, which loads all of undici in Node (15 ms). */
function streamOf(bytes: Uint8Array): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(bytes)
      controller.close()
    },
  })
}

async function collect(stream: ReadableStream<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** The kinds of the recipients that an age file in binary form is for: `X25519`, `ssh-ed25519`, `scrypt`, … */
export function recipientKinds(file: Uint8Array): readonly string[] {
  const [header = ''] = Buffer.from(file).toString('latin1').split('\n---', 1)
  return [...new Set([...header.matchAll(/^-> (\S+)/gm)].map((match) => match[1] ?? ''))]
}
