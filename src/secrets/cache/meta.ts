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
  /** When, as that has it too: each write is later than the one before, whatever the clock says. */
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
  /** The 1Password account that was asked (`Wanted.source`). */
  readonly source?: string
  /** What the source said of it last, if it was no value. */
  readonly error?: Block
  /** By who asked (`asker.ts`): what went wrong there, and need not elsewhere. */
  readonly errors?: Readonly<Record<string, Block>>
}

/** Why a reference or a source has no value, and until when it isn't asked again. Times in milliseconds since the epoch. */
export interface Block {
  readonly refusal: Refusal | 'failure'
  readonly message: string
  /** What a program of the user's said, for people: on the disk it is sealed (`words.ts`), as who can tell what it says. */
  readonly detail?: string
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

/** The values that were written last, as far as is known. */
export type Written = Pick<Required<Meta>, 'checksum' | 'writtenAt'>

/** They stand at the beginning, so that a launch needn't read the rest. */
const WRITTEN = /^\{"format":1,"checksum":"([0-9a-f]{64})","writtenAt":(\d{1,16}),/
const WRITTEN_BYTES = 160

export function readWritten(world: World, places: Places): Written | undefined {
  try {
    const [, checksum, writtenAt] = WRITTEN.exec(world.files.head(places.meta, WRITTEN_BYTES).toString('latin1')) ?? []
    return checksum === undefined ? undefined : { checksum, writtenAt: Number(writtenAt) }
  } catch {
    return undefined
  }
}

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
  const { text, kind, attemptedAt, source, error, errors } = state
  if (source !== undefined && typeof source !== 'string') return false
  if (errors !== undefined && !(isObject(errors) && Object.values(errors).every(isBlock))) return false
  const isDated = typeof text === 'string' && typeof kind === 'string' && typeof attemptedAt === 'number'
  return isDated && (error === undefined || isBlock(error))
}

function isBlock(block: unknown): boolean {
  if (!isObject(block)) return false
  const { refusal, message, detail, hint, tokenPrint } = block
  const isText = (value: unknown) => value === undefined || typeof value === 'string'
  const isTimed = ['since', 'at', 'until', 'failures'].every((name) => typeof block[name] === 'number')
  return (
    isTimed && typeof refusal === 'string' && typeof message === 'string' && [detail, hint, tokenPrint].every(isText)
  )
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function only<T>(entries: Readonly<Record<string, T>>, isGood: (value: unknown) => boolean): Record<string, T> {
  return Object.fromEntries(Object.entries(entries).filter(([, value]) => isGood(value)))
}

/** To be called under the lock. */
export function writeMeta(world: World, places: Places, meta: Required<Meta>): void {
  const { checksum, writtenAt, refs, sources } = meta
  world.files.makeDirectory(places.directory)
  // A file can't be renamed over one.
  if (world.files.lstat(places.meta)?.kind === 'directory') world.files.remove(places.meta)
  world.files.writeWhole(places.meta, JSON.stringify({ format: 1, checksum, writtenAt, refs, sources }))
}
