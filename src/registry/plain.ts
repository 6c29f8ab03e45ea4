import { isScalar } from 'yaml'
import type { Tree } from './tree.ts'

export type Path = readonly (string | number)[]

/** Keys of the top level that hold anchors, notes or an editor's schema, and nothing that we read. */
const EXTENSION = /^x-/

/**
 * The tree as plain data for the schema. Where the environment or an argv takes text, a number or a boolean is its
 * source text: `VERSION: 1.10` means `1.10`, and `PORT: 8080` is what people write.
 */
export function plainData(tree: Tree): unknown {
  const data = plain(tree, [])
  if (typeof data !== 'object' || data === null || Array.isArray(data)) return data
  return Object.fromEntries(Object.entries(data).filter(([key]) => !EXTENSION.test(key)))
}

function plain(tree: Tree, path: Path): unknown {
  const { content } = tree
  if (isScalar(content)) {
    const { value, source } = content
    const isText = (typeof value === 'number' || typeof value === 'boolean') && takesText(path)
    return isText ? (source ?? String(value)) : value
  }
  if (content instanceof Map) {
    return Object.fromEntries([...content].map(([key, value]) => [key, plain(value, [...path, key])]))
  }
  return (content as readonly Tree[]).map((value, index) => plain(value, [...path, index]))
}

/** `servers.*.env.*`, `servers.*.args.*` and the words of a `command: […]` that makes a secret or a token. */
function takesText(path: Path): boolean {
  const isWordOfCommand = path.at(-2) === 'command' && typeof path.at(-1) === 'number'
  if (path[0] !== 'servers') return path[0] === 'onepassword' && isWordOfCommand
  return (path.length === 4 && (path[2] === 'env' || path[2] === 'args')) || isWordOfCommand
}

/** The tree at the path's end, or as near to it as there is one. */
export function locate(tree: Tree, path: Path): { readonly tree: Tree; readonly found: boolean } {
  let here = tree
  for (const step of path) {
    const next = child(here, step)
    if (next === undefined) return { tree: here, found: false }
    here = next
  }
  return { tree: here, found: true }
}

function child({ content }: Tree, step: string | number): Tree | undefined {
  if (content instanceof Map) return content.get(String(step))
  return Array.isArray(content) ? (content as Tree[])[Number(step)] : undefined
}
