import type { Hash } from 'node:crypto'
import { Refusal } from '../age/refusal.ts'
import { clearOf, looksSealed, parseSealed, unseal } from './cipher.ts'
import type { Document } from './document.ts'
import { shown } from './json.ts'
import type { Rule } from './rule.ts'
import type { Clear, Entry, MapOf, Scalar, Tree } from './tree.ts'

/** What a MAC over encrypted leaves alone starts with: the SHA-256 of `sops`, as in SOPS's `sops.go`. */
const MAC_ONLY_ENCRYPTED_START = '8a3fd2ad54ce66527b1034f3d147be0b0b975b3bf44f72c6fdadec8176f27d69'
const RESTORE = 'restore it from a backup, or see what changed with: git log -p FILE'

/**
 * Decrypts a document's leaves and holds them to its MAC: SHA-512 over the leaves in file order, comments and nulls
 * left out. The semantics are those of `Tree.Decrypt` in SOPS's `sops.go`. Nothing is given back unless it is right.
 *
 * What the MAC doesn't cover, here as in SOPS: keys of leaves that aren't encrypted, where one such leaf ends and the
 * next begins, empty texts, nulls, and empty maps and lists.
 */
export function decryptDocument({ values, metadata }: Document, dataKey: Buffer): MapOf<Clear> {
  if (metadata.mac === '') throw new Refusal('it has no MAC, so that anybody may have changed it', RESTORE)
  const walk = new Walk(dataKey, metadata.rule(), metadata.macOnlyEncrypted)
  const clear = walk.map(values, [])
  if (walk.mac() !== openMac(metadata.mac, metadata.lastModified, dataKey)) {
    throw new Refusal('its MAC is wrong: an entry was added, changed, moved or removed without SOPS', RESTORE)
  }
  return clear
}

function openMac(mac: string, lastModified: string, dataKey: Buffer): string {
  const sealed = parseSealed(mac)
  const opened = sealed && unseal(sealed, dataKey, rfc3339(lastModified))
  if (opened !== undefined) return opened.toString('latin1')
  throw new Refusal('its MAC does not open: "mac" or "lastmodified" was changed without SOPS', RESTORE)
}

/** As Go's `time.RFC3339` writes what it has parsed: without fractions, and `Z` for no offset. */
function rfc3339(text: string): string {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:[.,]\d+)?(Z|[+-]\d\d:\d\d)$/.exec(text)
  const [, time = '', zone = ''] = match ?? []
  return `${time}${/^[+-]00:00$/.test(zone) ? 'Z' : zone}`
}

class Walk {
  readonly #dataKey: Buffer
  readonly #isEncrypted: Rule
  readonly #macOnlyEncrypted: boolean
  readonly #hash: Hash

  constructor(dataKey: Buffer, rule: Rule, macOnlyEncrypted: boolean) {
    this.#dataKey = dataKey
    this.#isEncrypted = rule
    this.#macOnlyEncrypted = macOnlyEncrypted
    this.#hash = process.getBuiltinModule('node:crypto').createHash('sha512')
    if (macOnlyEncrypted) this.#hash.update(Buffer.from(MAC_ONLY_ENCRYPTED_START, 'hex'))
  }

  mac(): string {
    return this.#hash.digest('hex').toUpperCase()
  }

  map(map: MapOf<Scalar>, path: readonly string[]): MapOf<Clear> {
    const entries = map.entries.flatMap(({ key, value }): Entry<Clear>[] => {
      const clear = this.#tree(value, [...path, key])
      return clear === undefined ? [] : [{ key, value: clear }]
    })
    return { kind: 'map', entries }
  }

  /** Undefined for a comment, which is an item of a list in SOPS's JSON and YAML. */
  #tree(tree: Tree<Scalar>, path: readonly string[]): Tree<Clear> | undefined {
    if (tree.kind === 'map') return this.map(tree, path)
    if (tree.kind === 'leaf') {
      const leaf = this.#leaf(tree.leaf, path)
      return leaf && { kind: 'leaf', leaf }
    }
    // An index is no part of the path.
    const items = tree.items.map((item) => this.#tree(item, path)).filter((item) => item !== undefined)
    return { kind: 'list', items }
  }

  #leaf(scalar: Scalar, path: readonly string[]): Clear | undefined {
    const encrypted = scalar.type !== 'null' && this.#isEncrypted(path)
    const clear = encrypted ? this.#decrypt(scalar, path) : plain(scalar)
    if (clear !== undefined && (encrypted || !this.#macOnlyEncrypted)) this.#hash.update(macBytes(clear))
    return clear
  }

  #decrypt(scalar: Scalar, path: readonly string[]): Clear | undefined {
    // SOPS leaves an empty text as it is.
    if (scalar.type === 'text' && scalar.text === '') return plain(scalar)
    const where = shown(path.join('/'))
    if (scalar.type !== 'text' || !looksSealed(scalar.text)) {
      throw new Refusal(`the value at ${where} is in clear and should be encrypted`, 'encrypt it: sops edit FILE')
    }
    const sealed = parseSealed(scalar.text)
    if (sealed === undefined) throw new Refusal(`the encrypted value at ${where} is damaged`, RESTORE)
    const plaintext = unseal(sealed, this.#dataKey, `${path.join(':')}:`)
    if (plaintext === undefined) {
      throw new Refusal(`the encrypted value at ${where} was changed, or put there from somewhere else`, RESTORE)
    }
    return clearOf(plaintext, sealed.type)
  }
}

function plain({ type, text }: Scalar): Clear {
  return { type, bytes: Buffer.from(text), wasEncrypted: false }
}

/** As SOPS's `ToBytes`. */
function macBytes({ type, bytes }: Clear): Buffer {
  if (type !== 'bool') return bytes
  return Buffer.from(bytes.toString() === 'true' ? 'True' : 'False')
}
