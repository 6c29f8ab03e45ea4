import type { World } from '../../world.ts'
import type { Ref } from '../ref.ts'
import type { Refusal } from '../source.ts'
import type { Places } from './places.ts'

/**
 * What is known of references and sources beside their values: `secrets.meta`, JSON. It holds no value, and it decides
 * about none: the values carry their own times, encrypted. Lost or damaged, it costs a request or two.
 */
export interface Meta {
  readonly format: 1
  /** SHA-256 of `secrets.enc` as it was written with this. */
  readonly checksum?: string
  readonly writtenAt: number
  readonly refs: Readonly<Record<string, RefState>>
  /** By `Wanted.source`: a source that is not to be asked for now. */
  readonly sources: Readonly<Record<string, Block>>
}

export interface RefState {
  readonly text: string
  readonly kind: Ref['kind']
  /** When it was last asked for, with whatever outcome. */
  readonly attemptedAt: number
  readonly fetchedAt?: number
  /** What the source said of it last, if it was no value. */
  readonly error?: Block
  /** By who asked (`asker.ts`): what went wrong there, and need not elsewhere. */
  readonly errors?: Readonly<Record<string, Block>>
}

/** Why a reference or a source has no value, and until when it isn't asked again. Times in milliseconds since the epoch. */
export interface Block {
  readonly refusal: Refusal | 'failure'
  readonly message: string
  readonly hint?: string
  readonly since: number
  /** When it was said last. */
  readonly at: number
  readonly until: number
  /** In a row. */
  readonly failures: number
  /** Of the token that was refused: another one may be tried at once. */
  readonly tokenPrint?: string
}

const NOTHING: Meta = { format: 1, writtenAt: 0, refs: {}, sources: {} }

/** What is malformed in it is left out. */
export function readMeta(world: World, places: Places): Meta {
  try {
    const meta: unknown = JSON.parse(world.files.read(places.meta).toString())
    if (!isMeta(meta)) return NOTHING
    return { ...meta, refs: only(meta.refs, isRefState), sources: only(meta.sources, isBlock) }
  } catch {
    return NOTHING
  }
}

function isMeta(meta: unknown): meta is Meta {
  return isObject(meta) && meta['format'] === 1 && isObject(meta['refs']) && isObject(meta['sources'])
}

function isRefState(state: unknown): boolean {
  if (!isObject(state)) return false
  const { text, kind, attemptedAt, error, errors } = state
  if (errors !== undefined && !(isObject(errors) && Object.values(errors).every(isBlock))) return false
  const isDated = typeof text === 'string' && typeof kind === 'string' && typeof attemptedAt === 'number'
  return isDated && (error === undefined || isBlock(error))
}

function isBlock(block: unknown): boolean {
  if (!isObject(block)) return false
  const { refusal, message, hint, tokenPrint } = block
  const isText = (value: unknown) => value === undefined || typeof value === 'string'
  const isTimed = ['since', 'at', 'until', 'failures'].every((name) => typeof block[name] === 'number')
  return isTimed && typeof refusal === 'string' && typeof message === 'string' && isText(hint) && isText(tokenPrint)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function only<T>(entries: Readonly<Record<string, T>>, isGood: (value: unknown) => boolean): Record<string, T> {
  return Object.fromEntries(Object.entries(entries).filter(([, value]) => isGood(value)))
}

/** To be called under the lock. */
export function writeMeta(world: World, places: Places, meta: Meta): void {
  world.files.makeDirectory(places.directory)
  // A file can't be renamed over one.
  if (world.files.lstat(places.meta)?.kind === 'directory') world.files.remove(places.meta)
  world.files.writeWhole(places.meta, JSON.stringify({ ...meta, writtenAt: world.now() }))
}
