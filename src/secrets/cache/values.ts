import { errnoOf, errnoWords } from '../../errors.ts'
import type { World } from '../../world.ts'
import { Secret } from '../secret.ts'
import { DamagedAgeFile, decryptAgeFile } from './age-file.ts'
import type { Dated } from './freshness.ts'
import { readWritten } from './meta.ts'
import type { Places } from './places.ts'
import type { Policy } from './policy.ts'
import { privateKey } from './x25519.ts'

/** A value of the cache. Its times are encrypted with it, so that nobody can make it younger. */
export interface CachedValue extends Dated {
  readonly value: Secret
  /** When it was first fetched with this value: a server that started before that holds another one. */
  readonly changedAt: number
  /** After this it is of no use to anybody; undefined if that depends on its file alone. */
  readonly uselessAfter?: number
  /** The file it came from, if it is good for as long as that file's bytes are the same. */
  readonly file?: string
  /** The 1Password account that it is of (`Wanted.source`). */
  readonly source?: string
}

export type Values = ReadonlyMap<string, CachedValue>

/** Whoever waits for a value has to find it, whatever its time. */
const LEAST_USE_MS = 3_600_000

/** Until when a value is of use that is fetched now. */
export function useOf(policy: Policy, now: number, maxStaleMs: number): Pick<CachedValue, 'uselessAfter' | 'file'> {
  const time =
    policy.kind === 'time' ? Math.max(policy.ttlMs, maxStaleMs) : policy.kind === 'content' ? policy.ttlMs : 0
  return {
    ...(Number.isFinite(time) ? { uselessAfter: now + Math.max(time, LEAST_USE_MS) } : {}),
    ...(policy.kind === 'content' ? { file: policy.file } : {}),
  }
}

/** What was found in place of readable values. */
export type Reading =
  | { readonly kind: 'values'; readonly values: Values; readonly writtenAt: number }
  | { readonly kind: 'none' }
  | { readonly kind: 'damaged'; readonly why: string }

const FORMAT = 1
const LARGEST_BYTES = 64 * 1024 * 1024

interface Content {
  readonly format: number
  /** The same as in `secrets.meta`. */
  readonly writtenAt: number
  readonly entries: Record<string, Omit<CachedValue, 'value'> & { readonly value: string }>
}

/** Reads `secrets.enc`. Whatever is odd about it is damage: the values can be fetched again. */
export async function readValues(world: World, places: Places, identity: Uint8Array): Promise<Reading> {
  try {
    return await readFile(world, places, identity)
  } catch (error) {
    if (error instanceof DamagedAgeFile) return { kind: 'damaged', why: error.message }
    // Set aside between the look and the reading.
    if (errnoOf(error) === 'ENOENT') return { kind: 'none' }
    const why = errnoOf(error) === undefined ? 'its content is malformed' : `it can't be read: ${errnoWords(error)}`
    return { kind: 'damaged', why }
  }
}

async function readFile(world: World, places: Places, identity: Uint8Array): Promise<Reading> {
  const stat = world.files.lstat(places.values)
  if (stat === undefined) return { kind: 'none' }
  if (stat.kind !== 'file') return { kind: 'damaged', why: 'it is no regular file' }
  if (stat.uid !== world.uid || (stat.mode & 0o077) !== 0)
    return { kind: 'damaged', why: "it is not this user's alone" }
  if (stat.size > LARGEST_BYTES) return { kind: 'damaged', why: 'it is too large' }
  // First, because the values are written first: they may only be younger than this.
  const written = readWritten(world, places)
  const file = world.files.read(places.values)
  const content = JSON.parse((await decryptAgeFile(world, identity, file)).toString()) as Content
  if (content.format !== FORMAT) return { kind: 'damaged', why: `it has format ${Number(content.format)}` }
  const { writtenAt } = content
  if (written !== undefined && writtenAt < written.writtenAt && world.sha256(file) !== written.checksum)
    return { kind: 'damaged', why: 'it is not the one that was written last' }
  return { kind: 'values', values: valuesOf(content), writtenAt }
}

function valuesOf({ entries }: Content): Values {
  return new Map(
    Object.entries(entries).map(([key, { value, ...dates }]) => [key, { ...dates, value: new Secret(value) }]),
  )
}

/** The content of `secrets.enc`. */
export async function encryptValues(identity: Uint8Array, values: Values, writtenAt: number): Promise<Uint8Array> {
  const { Encrypter, identityToRecipient } = await import('age-encryption')
  const entries: Content['entries'] = Object.create(null)
  for (const [key, { value, ...dates }] of values) entries[key] = { ...dates, value: value.reveal() }
  const encrypter = new Encrypter()
  encrypter.addRecipient(await identityToRecipient(await privateKey(identity)))
  return encrypter.encrypt(JSON.stringify({ format: FORMAT, writtenAt, entries } satisfies Content))
}

/** Moves what can't be read out of the way, where it can be looked at; the one set aside before is replaced. */
export function setAside(world: World, places: Places): void {
  world.files.remove(`${places.values}.damaged`)
  world.files.rename(places.values, `${places.values}.damaged`)
}
