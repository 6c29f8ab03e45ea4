/* BIP 173, without its limit of 90 characters: how age writes keys. */

const ALPHABET = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'
const GENERATORS = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3]

/** An age identity (`AGE-SECRET-KEY-1…`) of a 32-byte scalar. */
export function ageIdentity(scalar: Uint8Array): string {
  const prefix = 'age-secret-key-'
  const words = regroup(scalar, 8, 5)
  const remainder = polymod([...expanded(prefix), ...words, 0, 0, 0, 0, 0, 0]) ^ 1
  const checksum = [0, 1, 2, 3, 4, 5].map((index) => (remainder >> (5 * (5 - index))) & 31)
  return `${prefix}1${[...words, ...checksum].map((word) => ALPHABET[word]).join('')}`.toUpperCase()
}

/** The scalar of an age identity; its checksum isn't looked at. */
export function scalarOf(identity: string): Uint8Array {
  const text = identity.toLowerCase()
  const words = [...text.slice(text.lastIndexOf('1') + 1, -6)].map((letter) => ALPHABET.indexOf(letter))
  return Uint8Array.from(regroup(words, 5, 8).slice(0, 32))
}

function regroup(values: Iterable<number>, from: number, to: number): number[] {
  const result: number[] = []
  let [pending, bits] = [0, 0]
  for (const value of values) {
    pending = ((pending << from) | value) & 0xfff
    for (bits += from; bits >= to; bits -= to) result.push((pending >> (bits - to)) & ((1 << to) - 1))
  }
  if (bits > 0) result.push((pending << (to - bits)) & ((1 << to) - 1))
  return result
}

function expanded(prefix: string): number[] {
  const codes = Buffer.from(prefix)
  return [...[...codes].map((code) => code >> 5), 0, ...[...codes].map((code) => code & 31)]
}

function polymod(values: readonly number[]): number {
  return values.reduce((sum, value) => {
    const next = ((sum & 0x1ffffff) << 5) ^ value
    return GENERATORS.reduce((mixed, generator, index) => ((sum >> (25 + index)) & 1 ? mixed ^ generator : mixed), next)
  }, 1)
}
