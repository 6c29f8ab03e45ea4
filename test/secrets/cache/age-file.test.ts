import { randomBytes } from 'node:crypto'
import { inflateSync } from 'node:zlib'
import { Encrypter, identityToRecipient } from 'age-encryption'
import * as vectors from 'cctv-age'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DamagedAgeFile, decryptAgeFile } from '../../../src/secrets/cache/age-file.ts'
import { privateKey } from '../../../src/secrets/cache/x25519.ts'
import { testWorld } from '../../world.ts'
import { scalarOf } from './bech32.ts'

const world = testWorld()
const KIB = 1024

async function encrypted(scalar: Uint8Array, text: Uint8Array): Promise<Buffer> {
  const encrypter = new Encrypter()
  encrypter.addRecipient(await identityToRecipient(await privateKey(scalar)))
  return Buffer.from(await encrypter.encrypt(text))
}

/** The plaintext; undefined if it is refused as damaged. Anything else that is thrown fails the test. */
async function opened(scalar: Uint8Array, file: Uint8Array): Promise<Buffer | undefined> {
  try {
    return await decryptAgeFile(world, scalar, Buffer.from(file))
  } catch (error) {
    if (error instanceof DamagedAgeFile) return undefined
    throw error
  }
}

describe('what the library writes', () => {
  const edges = [0, 1, 15, 16, 17, 64, 128, 192, 256].flatMap((size) =>
    size < 64 ? [size] : [size * KIB - 1, size * KIB, size * KIB + 1],
  )

  test.each(edges)('of %i bytes', async (size) => {
    const [scalar, text] = [randomBytes(32), randomBytes(size)]
    expect((await opened(scalar, await encrypted(scalar, text)))?.equals(text)).toBe(true)
  })

  test('of any size, under any key', async () => {
    const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
    await fc.assert(
      fc.asyncProperty(bytes(32), fc.integer({ min: 0, max: 300 * KIB }), async (scalar, size) => {
        const text = randomBytes(size)
        expect((await opened(scalar, await encrypted(scalar, text)))?.equals(text)).toBe(true)
      }),
      { numRuns: 60 },
    )
  })

  test('is nothing under another key', async () => {
    const file = await encrypted(randomBytes(32), Buffer.from('value'))
    expect(await opened(randomBytes(32), file)).toBeUndefined()
  })
})

describe('a file that was changed is refused', () => {
  const text = Buffer.from(JSON.stringify({ format: 1, entries: { a: { value: 'canary' } } }))

  test('cut off at every length, and with anything behind it', async () => {
    const scalar = randomBytes(32)
    const file = await encrypted(scalar, text)
    for (let length = 0; length < file.length; length += 1) {
      expect(await opened(scalar, file.subarray(0, length)), `cut off at ${length}`).toBeUndefined()
    }
    for (const more of ['\0', '\n', file, randomBytes(16), randomBytes(70_000)]) {
      expect(await opened(scalar, Buffer.concat([file, Buffer.from(more)]))).toBeUndefined()
    }
  })

  test('with one bit flipped in any byte', async () => {
    const scalar = randomBytes(32)
    const file = await encrypted(scalar, text)
    for (let bit = 0; bit < file.length * 8; bit += 1) {
      const flipped = Buffer.from(file)
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
      expect(await opened(scalar, flipped), `byte ${bit >> 3}, bit ${bit & 7}`).toBeUndefined()
    }
  })

  test('with chunks left out, repeated or exchanged', async () => {
    const scalar = randomBytes(32)
    const file = await encrypted(scalar, randomBytes(3 * 64 * KIB + 5))
    const step = 64 * KIB + 16
    const start = file.length - 3 * step - 5 - 16
    const [head, a, b, c, end] = [
      file.subarray(0, start),
      ...[0, 1, 2].map((index) => file.subarray(start + index * step, start + (index + 1) * step)),
      file.subarray(start + 3 * step),
    ] as [Buffer, Buffer, Buffer, Buffer, Buffer]
    expect(await opened(scalar, Buffer.concat([head, a, b, c, end]))).toBeDefined()
    for (const chunks of [[a, b, c], [a, b, end], [b, c, end], [a, c, b, end], [a, a, b, c, end], [end], []]) {
      expect(await opened(scalar, Buffer.concat([head, ...chunks]))).toBeUndefined()
    }
  })

  test('the message tells neither content nor key', async () => {
    const scalar = randomBytes(32)
    const file = await encrypted(scalar, text)
    const errors = await Promise.all(
      [file.subarray(0, -1), file.subarray(5), Buffer.from('canary')].map((bad) =>
        decryptAgeFile(world, scalar, bad).catch((error: Error) => error.message),
      ),
    )
    expect(errors).toEqual([
      'its content is not authentic',
      'it is no age file for one X25519 recipient',
      'it is no age file for one X25519 recipient',
    ])
  })
})

describe("the format's own test vectors", () => {
  const all = Object.entries(vectors as unknown as Record<string, Uint8Array>)
    .filter(([, bytes]) => bytes instanceof Uint8Array)
    .map(([name, bytes]) => ({ name, ...parsed(Buffer.from(bytes)) }))

  /** For one X25519 identity, and not in ASCII armour: what the cache's file is. */
  const ours = all.filter(
    ({ armored, identities, passphrase }) =>
      !armored && !passphrase && identities.length === 1 && identities[0]?.startsWith('AGE-SECRET-KEY-1'),
  )

  /** Right, and never written by the cache: more than the one stanza. They are refused, which costs a request. */
  const OUT_OF_SCOPE = [
    'stanza_empty_body',
    'stanza_empty_last_line',
    'stanza_valid_characters',
    'x25519_grease',
    'x25519_multiple_recipients',
  ]

  test('are there', () => {
    expect(ours.length).toBeGreaterThan(50)
    const successes = ours.filter(({ expect: wanted }) => wanted === 'success').map(({ name }) => name)
    expect(successes).toEqual(expect.arrayContaining(OUT_OF_SCOPE))
    expect(successes.length).toBeGreaterThan(OUT_OF_SCOPE.length)
  })

  test.each(ours)('$name: $expect', async ({ name, identities, file, expect: wanted, payload }) => {
    const result = await opened(scalarOf(identities[0] as string), file)
    if (wanted !== 'success' || OUT_OF_SCOPE.includes(name)) expect(result).toBeUndefined()
    else expect(result && world.sha256(result)).toBe(payload)
  })
})

function parsed(bytes: Buffer) {
  const end = bytes.indexOf('\n\n')
  const fields = bytes
    .subarray(0, end)
    .toString()
    .split('\n')
    .map((line) => line.split(': ') as [string, string])
  const of = (key: string) => fields.filter(([name]) => name === key).map(([, value]) => value)
  const rest = bytes.subarray(end + 2)
  return {
    expect: of('expect')[0],
    payload: of('payload')[0],
    identities: of('identity'),
    passphrase: of('passphrase').length > 0,
    armored: of('armored')[0] === 'yes',
    file: of('compressed')[0] === 'zlib' ? inflateSync(rest) : rest,
  }
}
