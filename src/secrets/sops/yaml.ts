import {
  type Document,
  isMap,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  parseAllDocuments,
  type Scalar as YamlScalar,
} from 'yaml'
import { Refusal } from '../age/refusal.ts'
import { NeedsSopsProgram } from './hand-over.ts'
import { duplicateKey, shown } from './json.ts'
import { goFloat, goInt } from './number.ts'
import type { Entry, MapOf, Scalar, Tree } from './tree.ts'

/**
 * YAML in file order. What SOPS doesn't write itself (aliases, tags, several documents) is left to SOPS, so that there
 * is no second opinion on what it means. Undefined if the document isn't a map.
 */
export function parseYaml(text: string): MapOf<Scalar> | undefined {
  // Duplicate keys are looked for below, in linear time.
  const documents = parseAllDocuments(text, { intAsBigInt: true, merge: false, uniqueKeys: false, logLevel: 'silent' })
  const [document] = documents
  if (document === undefined) return undefined
  if (documents.length > 1) throw new NeedsSopsProgram('it has several YAML documents')
  refuseBroken(document)
  if (!isMap(document.contents)) return undefined
  return mapOf(document.contents.items as Pair<unknown, unknown>[])
}

/** The library's message would show the line, and with it what somebody typed there in clear. */
function refuseBroken(document: Document.Parsed): void {
  const [error] = document.errors
  if (error === undefined) return
  const line = error.linePos?.[0].line
  throw new Refusal(`it is not valid YAML${line === undefined ? '' : ` (line ${line})`}`, 'restore it from a backup')
}

function mapOf(pairs: readonly Pair<unknown, unknown>[]): MapOf<Scalar> {
  const keys = new Set<string>()
  const entries = pairs.map((pair): Entry<Scalar> => {
    const key = isScalar(pair.key) ? pair.key.value : undefined
    if (typeof key !== 'string')
      throw new Refusal('it has a key that is not text', 'put that key in quotes and encrypt anew')
    if (keys.has(key)) throw duplicateKey(key)
    keys.add(key)
    return { key, value: treeOf(pair.value as Node | null, key) }
  })
  return { kind: 'map', entries }
}

function treeOf(node: Node | null, key: string): Tree<Scalar> {
  if (node === null) return { kind: 'leaf', leaf: { type: 'null', text: '' } }
  if (isMap(node)) return mapOf(node.items as Pair<unknown, unknown>[])
  if (isSeq(node)) return { kind: 'list', items: node.items.map((item) => treeOf(item as Node | null, key)) }
  if (!isScalar(node)) throw new NeedsSopsProgram(`it has a YAML alias at ${shown(key)}`)
  if (node.tag !== undefined) throw new NeedsSopsProgram(`it has a YAML tag at ${shown(key)}`)
  return { kind: 'leaf', leaf: scalarOf(node) }
}

function scalarOf({ value }: YamlScalar): Scalar {
  switch (typeof value) {
    case 'string':
      return { type: 'text', text: value }
    case 'boolean':
      return { type: 'bool', text: `${value}` }
    case 'bigint':
      return { type: 'number', text: goInt(`${value}`) ?? goFloat(`${value}`) ?? '' }
    case 'number':
      return { type: 'number', text: goFloat(`${value}`) ?? '' }
    default:
      return { type: 'null', text: '' }
  }
}
