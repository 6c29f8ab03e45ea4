/** Well-formed bytes of no meaning. */
const bytes = (length: number, seed: number) =>
  Buffer.from(Array.from({ length }, (_, index) => (index * 37 + seed) & 255))

const PARTS = {
  userAuth: { method: 'SRPg-4096', alg: 'PBES2g-HS256', iterations: 650_000, salt: bytes(16, 1).toString('base64url') },
  email: 'abcdefghijklm@1passwordserviceaccounts.com',
  srpX: bytes(32, 2).toString('hex'),
  muk: {
    alg: 'A256GCM',
    ext: true,
    k: bytes(32, 3).toString('base64url'),
    key_ops: ['encrypt', 'decrypt'],
    kty: 'oct',
    kid: 'mp',
  },
  secretKey: 'A3-CANARY-KEYKEY-NPQRS-TVWXY-Z2345-6789A',
  throttleSecret: { seed: bytes(32, 4).toString('hex'), uuid: 'abcdefghijklmnopqrstuvwxya' },
  deviceUuid: 'bcdefghijklmnopqrstuvwxyza',
}

/** The parameters that the server has to name too, or the SDK takes the token for a stale one. */
export const USER_AUTH = PARTS.userAuth

/** A made-up service-account token that the real SDK takes, for an account at `address` (`host:port`). */
export function madeUpToken(address: string, changes: object = {}): string {
  const json = JSON.stringify({ signInAddress: address, ...PARTS, ...changes })
  return `ops_${Buffer.from(json).toString('base64url')}`
}

/** What of a token must be found nowhere. */
export function canariesOf(token: string): string[] {
  const secrets = [PARTS.secretKey, PARTS.srpX, PARTS.muk.k, PARTS.throttleSecret.seed]
  return [...(token.length < 6 ? [] : [token, token.slice(4, 40), token.slice(-30)]), ...secrets]
}
