import { LaunchError } from '../../errors.ts'
import { nearest } from '../../nearest.ts'
import { utf8 } from '../age/encrypted-file.ts'
import { Secret } from '../secret.ts'
import { textOf } from '../text.ts'
import { shown } from './json.ts'
import type { SopsFile } from './open.ts'
import { type Clear, childOf, type Tree } from './tree.ts'

/** Where in which file; `text` is the reference as the user wrote it. */
export interface Target {
  readonly pointer: readonly string[] | undefined
  readonly text: string
}

const SHOWN_KEYS = 12

/**
 * The value that a reference points at, as text: `true` and not SOPS's `True`, numbers without an exponent.
 * Without a pointer it is a binary file's content, less one final newline as for any other secret that is a file.
 * Throws a `LaunchError`, which names keys and never values.
 */
export function valueAt(file: SopsFile, target: Target): Secret {
  if (target.pointer === undefined) return secretOf(textOf(bytesOf(wholeFile(file, target), file, target)), target)
  const value = follow(file.values, target.pointer, target)
  if (value.kind !== 'leaf') {
    throw unresolved(target, `${kindWords(value)} is there, not one value: ${keysOf(value)}`, deeperHint(target, value))
  }
  return secretOf(utf8(bytesOf(value.leaf, file, target)), target)
}

function wholeFile(file: SopsFile, target: Target): Clear {
  if (file.kind !== 'binary') {
    throw unresolved(target, `the file has many values: ${keysOf(file.values)}`, deeperHint(target, file.values))
  }
  const data = childOf(file.values, 'data')
  if (data?.kind === 'leaf') return data.leaf
  throw unresolved(target, 'the file is not one of SOPS binary: it has no "data"', deeperHint(target, file.values))
}

function follow(root: Tree<Clear>, pointer: readonly string[], target: Target): Tree<Clear> {
  let tree = root
  for (const [depth, step] of pointer.entries()) {
    const next = stepInto(tree, step)
    if (next === undefined) throw missing(tree, pointer.slice(0, depth), step, target)
    tree = next
  }
  return tree
}

function stepInto(tree: Tree<Clear>, step: string): Tree<Clear> | undefined {
  if (tree.kind === 'map') return childOf(tree, step)
  if (tree.kind === 'leaf' || !/^(0|[1-9]\d*)$/.test(step)) return undefined
  return tree.items[Number(step)]
}

function missing(tree: Tree<Clear>, above: readonly string[], step: string, target: Target): LaunchError {
  const where = above.length === 0 ? 'the file' : `"${pointerText(above)}"`
  if (tree.kind === 'leaf') {
    return unresolved(
      target,
      `${where} is one value, with nothing below it`,
      `point at ${shown(`#${pointerText(above)}`)}`,
    )
  }
  const names = tree.kind === 'map' ? tree.entries.map(({ key }) => key) : []
  const [guess] = nearest(step, names)
  return unresolved(
    target,
    `there is no ${shown(step)} in ${where}: ${keysOf(tree)}`,
    guess === undefined
      ? 'point at a key that is there'
      : `did you mean ${shown(`#${pointerText([...above, guess])}`)}?`,
  )
}

function bytesOf(leaf: Clear, file: SopsFile, target: Target): Buffer {
  if (leaf.type === 'null') throw unresolved(target, 'there is null', 'give it a value: sops edit FILE')
  if (leaf.bytes.length === 0) {
    // SOPS neither encrypts nor authenticates it: whoever can write the file could have put it there.
    throw unresolved(target, 'there is an empty text, which SOPS does not protect', 'an empty value belongs under env')
  }
  if (file.macOnlyEncrypted && !leaf.wasEncrypted) {
    throw unresolved(
      target,
      'the value is in clear in a file with mac_only_encrypted: anybody may have changed it',
      'let SOPS encrypt it too, or write it under env',
    )
  }
  return leaf.bytes
}

function secretOf(text: string | undefined, target: Target): Secret {
  if (text === undefined) throw unresolved(target, 'the value is not text (UTF-8)', 'store it encoded (base64)')
  return new Secret(text)
}

function kindWords(tree: Tree<Clear>): string {
  return tree.kind === 'list' ? 'a list' : 'a map'
}

function keysOf(tree: Tree<Clear>): string {
  if (tree.kind === 'leaf') return 'it has no keys'
  if (tree.kind === 'list') {
    const { length } = tree.items
    return length === 0 ? 'it is empty' : `it has the indices 0 to ${length - 1}`
  }
  if (tree.entries.length === 0) return 'it is empty'
  const keys = tree.entries.slice(0, SHOWN_KEYS).map(({ key }) => shown(key))
  return `it has ${keys.join(', ')}${tree.entries.length > SHOWN_KEYS ? ' and more' : ''}`
}

function deeperHint(target: Target, tree: Tree<Clear>): string {
  const first = tree.kind === 'map' ? (tree.entries[0]?.key ?? 'KEY') : '0'
  const pointer = pointerText([...(target.pointer ?? []), first])
  return `point at one value, as ${shown(`#${pointer}`)}`
}

/** RFC 6901. */
function pointerText(steps: readonly string[]): string {
  return steps.map((step) => `/${step.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}

function unresolved(target: Target, why: string, hint: string): LaunchError {
  return new LaunchError('failure', { what: "can't resolve", subject: target.text, why, hint })
}
