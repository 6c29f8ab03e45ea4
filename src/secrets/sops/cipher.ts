import type { createDecipheriv } from 'node:crypto'
import { Refusal } from '../age/refusal.ts'
import { goFloat, goInt } from './number.ts'
import type { Clear } from './tree.ts'

/** As in SOPS's `aes/cipher.go`, and to the end of the text. */
const ENCRYPTED = /^ENC\[AES256_GCM,data:([\w+/=]+),iv:([\w+/=]+),tag:([\w+/=]+),type:([a-z]+)\]$/
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
const TAG_BYTES = 16

/** A leaf as SOPS writes it; its `type` is not authenticated. */
export interface Sealed {
  readonly data: Buffer
  readonly iv: Buffer
  readonly tag: Buffer
  readonly type: string
}

/** Whether a text wants to be an encrypted leaf, well formed or not. */
export function looksSealed(text: string): boolean {
  return text.startsWith('ENC[')
}

/** Undefined if it is malformed. */
export function parseSealed(text: string): Sealed | undefined {
  const [, ...fields] = ENCRYPTED.exec(text) ?? []
  const [data, iv, tag, type] = fields
  if (data === undefined || iv === undefined || tag === undefined || type === undefined) return undefined
  if (![data, iv, tag].every((field) => BASE64.test(field))) return undefined
  const sealed = { data: base64(data), iv: base64(iv), tag: base64(tag), type }
  return sealed.tag.length === TAG_BYTES ? sealed : undefined
}

function base64(text: string): Buffer {
  return Buffer.from(text, 'base64')
}

/** AES-256-GCM with SOPS's nonces of 32 bytes; undefined if key, data and additional data don't belong together. */
export function unseal(sealed: Sealed, dataKey: Buffer, additionalData: string): Buffer | undefined {
  const crypto: { createDecipheriv: typeof createDecipheriv } = process.getBuiltinModule('node:crypto')
  const cipher = crypto.createDecipheriv('aes-256-gcm', dataKey, sealed.iv, { authTagLength: TAG_BYTES })
  cipher.setAAD(Buffer.from(additionalData))
  cipher.setAuthTag(sealed.tag)
  try {
    return Buffer.concat([cipher.update(sealed.data), cipher.final()])
  } catch {
    return undefined
  }
}

/** The value that a plaintext is by its type, as text; `undefined` for a comment, which isn't one. */
export function clearOf(plaintext: Buffer, type: string): Clear | undefined {
  if (type === 'comment') return undefined
  if (type === 'str' || type === 'bytes') return { type: 'text', bytes: plaintext, wasEncrypted: true }
  const text = plaintext.toString('latin1')
  const value = typedText(text, type)
  if (value === undefined)
    throw new Refusal(`it holds a value that is no ${JSON.stringify(type)}`, 'restore it from a backup')
  const kind = type === 'bool' ? 'bool' : type === 'time' ? 'text' : 'number'
  return { type: kind, bytes: Buffer.from(value), wasEncrypted: true }
}

function typedText(text: string, type: string): string | undefined {
  switch (type) {
    case 'int':
      return goInt(text)
    case 'float':
      return goFloat(text)
    case 'bool':
      return goBool(text)
    case 'time':
      return goTime(text)
    default:
      return undefined
  }
}

/** Go's `strconv.ParseBool`. */
function goBool(text: string): string | undefined {
  if (/^(1|t|T|TRUE|true|True)$/.test(text)) return 'true'
  return /^(0|f|F|FALSE|false|False)$/.test(text) ? 'false' : undefined
}

/** Go's `time.RFC3339Nano`, which is what it writes; other spellings of a time aren't SOPS's. */
function goTime(text: string): string | undefined {
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d*[1-9])?(Z|[+-]\d\d:\d\d)$/.test(text) ? text : undefined
}
