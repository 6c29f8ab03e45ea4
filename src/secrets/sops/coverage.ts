import { looksSealed } from './cipher.ts'
import type { Clear, MapOf, Scalar, Tree } from './tree.ts'

/**
 * Marks which leaves of a document that the `sops` program decrypted stood in the file in clear, from the file itself.
 * A list's items count as one, as they have one path; in doubt a leaf counts as one that stood in clear.
 */
export function markEncrypted(clear: MapOf<Clear>, source: MapOf<Scalar>): MapOf<Clear> {
  const inClear = new Set<string>()
  collectPlain(source, [], inClear)
  return markMap(clear, [], inClear)
}

function collectPlain(tree: Tree<Scalar>, path: readonly string[], into: Set<string>): void {
  if (tree.kind === 'map') {
    for (const { key, value } of tree.entries) collectPlain(value, [...path, key], into)
  } else if (tree.kind === 'list') {
    for (const item of tree.items) collectPlain(item, path, into)
  } else if (tree.leaf.type !== 'text' || !looksSealed(tree.leaf.text)) {
    into.add(JSON.stringify(path))
  }
}

function markMap(map: MapOf<Clear>, path: readonly string[], inClear: ReadonlySet<string>): MapOf<Clear> {
  const entries = map.entries.map(({ key, value }) => ({ key, value: markTree(value, [...path, key], inClear) }))
  return { kind: 'map', entries }
}

function markTree(tree: Tree<Clear>, path: readonly string[], inClear: ReadonlySet<string>): Tree<Clear> {
  if (tree.kind === 'map') return markMap(tree, path, inClear)
  if (tree.kind === 'list') return { kind: 'list', items: tree.items.map((item) => markTree(item, path, inClear)) }
  // A rule that doesn't reach a leaf leaves its ENC[…] as it is.
  const wasEncrypted = !inClear.has(JSON.stringify(path)) && !looksSealed(tree.leaf.bytes.toString('latin1'))
  return { kind: 'leaf', leaf: { ...tree.leaf, wasEncrypted } }
}
