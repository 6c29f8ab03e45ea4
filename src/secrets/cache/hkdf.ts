import type { World } from '../../world.ts'

/** One block of HKDF-SHA-256 (RFC 5869): 32 bytes. */
export function hkdf(world: World, secret: Uint8Array, salt: Uint8Array, info: string): Uint8Array {
  return world.hmac(world.hmac(salt, secret), Buffer.from(info, 'latin1'), Uint8Array.of(1))
}
