import { Refusal } from '../age/refusal.ts'
import { goNumber } from './number.ts'
import type { Entry, MapOf, Scalar, Tree } from './tree.ts'

/**
 * JSON in file order. `JSON.parse` says whether it is JSON, and is no use beyond that: it puts integer-like keys
 * first, keeps the last of duplicate keys and rounds large integers, each of which breaks the MAC or hides a change.
 */
export function parseJson(text: string): Tree<Scalar> | undefined {
  try {
    JSON.parse(text)
  } catch {
    return undefined
  }
  return new Reader(text).value()
}

/** As above for a document, which is an object. */
export function parseJsonDocument(text: string): MapOf<Scalar> | undefined {
  const tree = parseJson(text)
  return tree?.kind === 'map' ? tree : undefined
}

/** Reads text that is known to be JSON. */
class Reader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  value(): Tree<Scalar> {
    const next = this.#peek()
    if (next === '{') return { kind: 'map', entries: this.#entries() }
    if (next === '[') return { kind: 'list', items: this.#items() }
    if (next === '"') return { kind: 'leaf', leaf: { type: 'text', text: this.#string() } }
    return { kind: 'leaf', leaf: this.#word() }
  }

  #entries(): Entry<Scalar>[] {
    const entries: Entry<Scalar>[] = []
    const keys = new Set<string>()
    this.#at += 1
    while (this.#peek() !== '}') {
      const key = this.#string()
      if (keys.has(key)) throw duplicateKey(key)
      keys.add(key)
      entries.push({ key, value: this.value() })
    }
    this.#at += 1
    return entries
  }

  #items(): Tree<Scalar>[] {
    const items: Tree<Scalar>[] = []
    this.#at += 1
    while (this.#peek() !== ']') items.push(this.value())
    this.#at += 1
    return items
  }

  #string(): string {
    const start = this.#at
    let end = start + 1
    while (this.#text[end] !== '"') end += this.#text[end] === '\\' ? 2 : 1
    this.#at = end + 1
    return JSON.parse(this.#text.slice(start, this.#at)) as string
  }

  #word(): Scalar {
    const start = this.#at
    while (/[\w.+-]/.test(this.#text[this.#at] ?? '')) this.#at += 1
    const text = this.#text.slice(start, this.#at)
    if (text === 'null') return { type: 'null', text: '' }
    if (text === 'true' || text === 'false') return { type: 'bool', text }
    return { type: 'number', text: goNumber(text) ?? text }
  }

  /** The next character that isn't white space or, as the text is valid, a separator that says nothing. */
  #peek(): string | undefined {
    while (/[\s,:]/.test(this.#text[this.#at] ?? '')) this.#at += 1
    return this.#text[this.#at]
  }
}

export function duplicateKey(key: string): Refusal {
  return new Refusal(`the key ${shown(key)} is there twice`, 'remove one of the two with: sops edit FILE')
}

/** A key of a file in a message: on one line, without control characters, and not endless. */
export function shown(key: string): string {
  const clean = key.replace(/\p{C}/gu, '?')
  return `"${clean.length > 60 ? `${clean.slice(0, 60)}…` : clean}"`
}
