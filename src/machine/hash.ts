import { builtin } from './builtin.ts'

/** Bun's own hasher spares the 2 ms that loading `node:crypto` costs there. */
export function sha256(bytes: Uint8Array | string): string {
  return hasher().update(bytes).digest('hex')
}

export function hmac(key: Uint8Array, ...parts: readonly Uint8Array[]): Buffer {
  const hash = hasher(key)
  for (const part of parts) hash.update(part)
  return Buffer.from(hash.digest('hex'), 'hex')
}

interface Hasher {
  update(bytes: Uint8Array | string): Hasher
  digest(encoding: 'hex'): string
}

function hasher(key?: Uint8Array): Hasher {
  if (process.versions['bun'] !== undefined) {
    const { Bun } = globalThis as unknown as { Bun: { CryptoHasher: new (name: string, key?: Uint8Array) => Hasher } }
    return new Bun.CryptoHasher('sha256', key)
  }
  const { createHash, createHmac } = builtin<typeof import('node:crypto')>('node:crypto')
  return key === undefined ? createHash('sha256') : createHmac('sha256', key)
}
