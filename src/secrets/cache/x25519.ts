/*
 * X25519 by the runtime's own WebCrypto: native, and present on Node and Bun without loading anything, where the
 * library's JavaScript costs a launch several milliseconds.
 */

/** An X25519 private key in PKCS #8 (RFC 8410) is this and the 32 bytes. */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b656e04220420', 'hex')
const BASE_POINT = Uint8Array.of(9, ...new Uint8Array(31))
const ALGORITHM = { name: 'X25519' }

export interface X25519Key {
  readonly publicKey: Uint8Array
  /** Throws for a point of small order, as RFC 7748 wants it. */
  sharedSecret(peer: Uint8Array): Promise<Uint8Array>
}

/** The key pair of a 32-byte scalar. */
export async function x25519Key(scalar: Uint8Array): Promise<X25519Key> {
  const key = await privateKey(scalar)
  const sharedSecret = async (peer: Uint8Array): Promise<Uint8Array> => {
    const publicKey = await crypto.subtle.importKey('raw', Uint8Array.from(peer), ALGORITHM, false, [])
    return new Uint8Array(await crypto.subtle.deriveBits({ ...ALGORITHM, public: publicKey }, key, 256))
  }
  return { publicKey: await sharedSecret(BASE_POINT), sharedSecret }
}

/** The private key as WebCrypto has it, which is also what `age-encryption` takes for an identity. */
export function privateKey(scalar: Uint8Array): Promise<CryptoKey> {
  return crypto.subtle.importKey('pkcs8', Buffer.concat([PKCS8_PREFIX, scalar]), ALGORITHM, false, ['deriveBits'])
}
