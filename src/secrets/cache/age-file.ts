import { chacha20poly1305 } from '@noble/ciphers/chacha.js'
import type { World } from '../../world.ts'
import { hkdf } from './hkdf.ts'
import { x25519Key } from './x25519.ts'

/*
 * Reads the one kind of age file that the cache writes: one X25519 recipient, binary (https://age-encryption.org/v1).
 * It stands on the hit path: `age-encryption` takes 11 ms to load and to decrypt there, this takes 2 (Bun executable).
 * Everything else about age is the library's; a test holds this against it, against the stock `age` program, and
 * against the format's test vectors.
 */

const VERSION_LINE = 'age-encryption.org/v1'
const NO_NONCE = new Uint8Array(12)
const CHUNK_BYTES = 64 * 1024
const TAG_BYTES = 16
const NONCE_BYTES = 16

/** The file isn't one that this identity can read, whole and unchanged. The message never quotes it. */
export class DamagedAgeFile extends Error {
  override readonly name = 'DamagedAgeFile'
}

/** The plaintext of an age file for the identity of this scalar. Throws {@link DamagedAgeFile}. */
export async function decryptAgeFile(world: World, scalar: Uint8Array, file: Buffer): Promise<Buffer> {
  const header = parseHeader(file)
  const fileKey = await unwrapFileKey(world, scalar, header)
  const mac = world.hmac(hkdf(world, fileKey, new Uint8Array(32), 'header'), header.authenticated)
  if (!mac.equals(header.mac)) throw new DamagedAgeFile('its header is not authentic')
  const nonce = header.payload.subarray(0, NONCE_BYTES)
  if (nonce.length < NONCE_BYTES) throw new DamagedAgeFile('it is cut off')
  return decryptStream(hkdf(world, fileKey, nonce, 'payload'), header.payload.subarray(NONCE_BYTES))
}

interface Header {
  readonly share: Buffer
  readonly wrappedKey: Buffer
  readonly mac: Buffer
  /** What the MAC covers: everything up to and with `---`. */
  readonly authenticated: Buffer
  readonly payload: Buffer
}

const HEADER = new RegExp(
  `^${VERSION_LINE.replaceAll('.', '\\.')}\\n-> X25519 ([\\w+/]{43})\\n([\\w+/]{43})\\n---(?= ([\\w+/]{43})\\n)`,
)

function parseHeader(file: Buffer): Header {
  const [authenticated, share, wrappedKey, mac] = HEADER.exec(file.toString('latin1', 0, 512)) ?? []
  if (authenticated === undefined || share === undefined || wrappedKey === undefined || mac === undefined) {
    throw new DamagedAgeFile('it is no age file for one X25519 recipient')
  }
  return {
    share: canonicalBase64(share),
    wrappedKey: canonicalBase64(wrappedKey),
    mac: canonicalBase64(mac),
    authenticated: file.subarray(0, authenticated.length),
    payload: file.subarray(authenticated.length + 1 + mac.length + 1),
  }
}

/** The format has one spelling for each byte string. */
function canonicalBase64(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.toString('base64').replace(/=+$/, '') !== text) throw new DamagedAgeFile('its header is malformed')
  return bytes
}

async function unwrapFileKey(world: World, scalar: Uint8Array, { share, wrappedKey }: Header): Promise<Uint8Array> {
  try {
    const key = await x25519Key(scalar)
    const salt = Buffer.concat([share, key.publicKey])
    const wrappingKey = hkdf(world, await key.sharedSecret(share), salt, `${VERSION_LINE}/X25519`)
    return chacha20poly1305(wrappingKey, NO_NONCE).decrypt(wrappedKey)
  } catch {
    throw new DamagedAgeFile('this machine key does not open it')
  }
}

/** STREAM: chunks of 64 KiB, each under a counter; the last one is marked, so that nothing can be cut off or added. */
function decryptStream(key: Uint8Array, payload: Buffer): Buffer {
  const chunks: Uint8Array[] = []
  const nonce = new Uint8Array(12)
  const counter = new DataView(nonce.buffer)
  const step = CHUNK_BYTES + TAG_BYTES
  for (let offset = 0, index = 0; offset < payload.length || index === 0; offset += step, index += 1) {
    const isLast = offset + step >= payload.length
    counter.setUint32(7, index)
    nonce[11] = isLast ? 1 : 0
    try {
      chunks.push(chacha20poly1305(key, nonce).decrypt(payload.subarray(offset, offset + step)))
    } catch {
      throw new DamagedAgeFile('its content is not authentic')
    }
  }
  if (chunks.length > 1 && chunks.at(-1)?.length === 0) throw new DamagedAgeFile('its last chunk is empty')
  return Buffer.concat(chunks)
}
