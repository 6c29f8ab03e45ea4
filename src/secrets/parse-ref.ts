import { VARIABLE_NAME } from '../variable-name.ts'
import type { CommandRef, OpEnvRef, OpRef, Ref, SopsRef } from './ref.ts'

export const REF_FORMS = 'op://vault/item/field, sops:FILE#/key, age:FILE, file:PATH, env:NAME or { command: […] }'

/**
 * What is wrong with a reference; never any part of it, because what stands there may be a pasted secret.
 * The message continues a sentence that begins with the reference's place: `"API_KEY" is not a reference`.
 */
export class RefError extends Error {
  override readonly name = 'RefError'
  readonly hint: string | undefined

  constructor(why: string, hint?: string) {
    super(why)
    this.hint = hint
  }
}

/** A structured reference without its text. */
export type RefParts = Ref extends infer R ? (R extends Ref ? Omit<R, 'text'> : never) : never

/** Reads a reference as it stands in the registry, a string or `{ command: [argv…] }`. Throws {@link RefError}. */
export function parseRef(value: unknown): Ref {
  const parts = typeof value === 'string' ? parseText(value) : parseCommand(value)
  return { ...parts, text: formatRef(parts) } as Ref
}

/** Reads a server's `environment`, which is no single secret and stands nowhere else. Throws {@link RefError}. */
export function parseEnvironmentRef(value: string): OpEnvRef {
  const [, id] = /^op-env:([A-Za-z0-9_-]+)$/.exec(value) ?? []
  if (id !== undefined) return { kind: 'op-env', id, text: value }
  throw new RefError(
    'is no 1Password Environment',
    'write op-env: and the ID that 1Password gives under "Copy environment ID"',
  )
}

/** The canonical text of a reference; `parseRef` gives the same reference back. */
export function formatRef(ref: RefParts): string {
  switch (ref.kind) {
    case 'op':
      return formatOp(ref)
    case 'sops':
      return `sops:${ref.file}${ref.pointer === undefined ? '' : `#${ref.pointer.map(escapedStep).join('')}`}`
    case 'age':
    case 'file':
      return `${ref.kind}:${ref.file}`
    case 'op-env':
      return `op-env:${ref.id}`
    case 'env':
      return `env:${ref.name}`
    case 'command':
      return JSON.stringify({ command: ref.argv })
  }
}

const PARSERS: Readonly<Record<string, (rest: string) => RefParts>> = {
  op: parseOp,
  sops: parseSops,
  age: (rest) => ({ kind: 'age', file: filePath(rest) }),
  file: (rest) => ({ kind: 'file', file: filePath(rest) }),
  env: parseEnv,
}

function parseText(text: string): RefParts {
  const [, scheme, rest] = /^(op|sops|age|file|env):(.*)$/s.exec(text) ?? []
  const parse = scheme === undefined ? undefined : PARSERS[scheme]
  if (parse === undefined || rest === undefined) throw notARef()
  return parse(rest)
}

function notARef(): RefError {
  return new RefError(
    'is not a reference (its text is not shown: it may be a secret)',
    `say where the secret is kept: ${REF_FORMS}; if this is the secret itself, take it out of the registry and renew it`,
  )
}

const OP_SEGMENT = /^[A-Za-z0-9_.-](?:[A-Za-z0-9_. -]*[A-Za-z0-9_.-])?$/

function parseOp(rest: string): Omit<OpRef, 'text'> {
  if (!rest.startsWith('//')) throw new RefError('has no // after op:', 'op://vault/item/field')
  const [, path = '', query] = /^([^?]*)(?:\?(.*))?$/s.exec(rest.slice(2)) ?? []
  const segments = path.split('/')
  for (const segment of segments) checkOpSegment(segment)
  const [vault, item, ...last] = segments
  const field = last.pop()
  const [section, ...tooMany] = last
  if (vault === undefined || item === undefined || field === undefined || tooMany.length > 0) {
    throw new RefError(
      `has ${segments.length} ${segments.length === 1 ? 'part' : 'parts'} after op://`,
      'op://vault/item/field or op://vault/item/section/field',
    )
  }
  return { kind: 'op', vault, item, ...(section === undefined ? {} : { section }), field, ...parseOpQuery(query) }
}

function checkOpSegment(segment: string): void {
  if (segment === '') throw new RefError('has an empty part', 'op://vault/item/field, without a slash at the end')
  if (segment !== segment.trim()) throw new RefError('has a space at the start or the end of a part')
  if (!OP_SEGMENT.test(segment)) {
    throw new RefError(
      'has a character that 1Password references do not take',
      "use letters, digits, spaces and -_. only, or the item's ID in place of its name",
    )
  }
}

function parseOpQuery(query: string | undefined): Pick<OpRef, 'attribute' | 'sshFormat'> {
  switch (query) {
    case undefined:
      return {}
    case 'attribute=otp':
      return { attribute: 'otp' }
    case 'attribute=totp':
      return { attribute: 'totp' }
    case 'ssh-format=openssh':
      return { sshFormat: 'openssh' }
    default:
      throw new RefError('has an unknown query', 'use ?attribute=otp or ?ssh-format=openssh')
  }
}

function formatOp(ref: Omit<OpRef, 'text'>): string {
  const path = [ref.vault, ref.item, ...(ref.section === undefined ? [] : [ref.section]), ref.field].join('/')
  if (ref.attribute !== undefined) return `op://${path}?attribute=${ref.attribute}`
  return ref.sshFormat === undefined ? `op://${path}` : `op://${path}?ssh-format=${ref.sshFormat}`
}

/** A `#` always begins the pointer: a SOPS file with one in its name can't be referred to. */
function parseSops(rest: string): Omit<SopsRef, 'text'> {
  const mark = rest.indexOf('#')
  if (mark === -1) return { kind: 'sops', file: filePath(rest), pointer: undefined }
  return { kind: 'sops', file: filePath(rest.slice(0, mark)), pointer: parsePointer(rest.slice(mark + 1)) }
}

/** RFC 6901, less the empty key, which is a slip wherever it was seen. */
function parsePointer(pointer: string): string[] {
  if (!pointer.startsWith('/')) throw new RefError('has no / after #', 'sops:FILE#/key or sops:FILE#/group/key')
  const steps = pointer.slice(1).split('/')
  if (steps.includes('')) throw new RefError('has an empty key after #', 'sops:FILE#/key, without a slash at the end')
  return steps.map((step) => {
    if (/~(?![01])/.test(step)) throw new RefError('has a ~ that is neither ~0 nor ~1', 'write ~0 for ~ and ~1 for /')
    return step.replaceAll('~1', '/').replaceAll('~0', '~')
  })
}

function escapedStep(step: string): string {
  return `/${step.replaceAll('~', '~0').replaceAll('/', '~1')}`
}

function filePath(path: string): string {
  if (path === '') throw new RefError('names no file')
  if (path !== path.trim()) throw new RefError('has a space at the start or the end of its path')
  if (path.includes('\0')) throw new RefError('has a NUL character in its path')
  if (path.startsWith('//')) throw new RefError('takes a path, not a URL', 'write one slash: file:/run/secrets/token')
  return path
}

function parseEnv(name: string): RefParts {
  if (!VARIABLE_NAME.test(name)) throw new RefError('names no environment variable', 'env:NAME')
  return { kind: 'env', name }
}

function parseCommand(value: unknown): Omit<CommandRef, 'text'> {
  if (typeof value !== 'object' || value === null || Object.keys(value).join() !== 'command') throw notARef()
  const { command } = value as { command: unknown }
  if (!Array.isArray(command) || !command.every((word) => typeof word === 'string')) {
    throw new RefError('has a command that is no list of words', 'command: [program, argument, …]')
  }
  const [program, ...args] = command as string[]
  if (program === undefined || program === '') throw new RefError('has a command without a program')
  if (command.some((word) => word.includes('\0'))) throw new RefError('has a NUL character in its command')
  return { kind: 'command', argv: [program, ...args] }
}
