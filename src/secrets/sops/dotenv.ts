import { Refusal } from '../age/refusal.ts'
import { duplicateKey } from './json.ts'
import type { Entry, MapOf, Scalar, Tree } from './tree.ts'

const PREFIX = 'sops_'

/**
 * SOPS's dotenv: `KEY=value` to a line, no quotes, `\n` for a newline, `#` only at the start of a line.
 * Its metadata are flattened into keys of their own (`sops_age__list_0__map_enc`); here they are a map at `sops` again.
 */
export function parseDotenv(text: string): MapOf<Scalar> {
  const keys = new Set<string>()
  const entries = text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line): Entry<Scalar> => {
      const end = line.indexOf('=')
      if (end < 0) throw new Refusal('it has a line without "="', 'restore it from a backup')
      const key = line.slice(0, end)
      if (keys.has(key)) throw duplicateKey(key)
      keys.add(key)
      const value = line.slice(end + 1).replaceAll('\\n', '\n')
      return { key, value: { kind: 'leaf', leaf: { type: 'text', text: value } } }
    })
  const metadata = entries.filter(({ key }) => key.startsWith(PREFIX))
  const values = entries.filter(({ key }) => !key.startsWith(PREFIX))
  if (metadata.length === 0) return { kind: 'map', entries: values }
  const steps = metadata.map(({ key, value }) => ({ path: stepsOf(key.slice(PREFIX.length)), value }))
  return { kind: 'map', entries: [...values, { key: 'sops', value: nest(steps) }] }
}

interface Flat {
  readonly path: readonly string[]
  readonly value: Tree<Scalar>
}

/** `age__list_0__map_enc` → `age`, `[0`, `enc`: a list's index is marked by a character that no name of SOPS has. */
function stepsOf(key: string): readonly string[] {
  return key.replaceAll('__list_', '__map_[').split('__map_')
}

function nest(items: readonly Flat[]): Tree<Scalar> {
  const [first] = items
  if (first !== undefined && first.path.length === 0) return first.value
  const names = [...new Set(items.map(({ path }) => path[0] ?? ''))]
  const entries = names.map((key) => ({ key, value: nest(below(items, key)) }))
  if (!names.every((name) => name.startsWith('['))) return { kind: 'map', entries }
  const inOrder = [...entries].sort((a, b) => Number(a.key.slice(1)) - Number(b.key.slice(1)))
  return { kind: 'list', items: inOrder.map(({ value }) => value) }
}

function below(items: readonly Flat[], name: string): readonly Flat[] {
  return items.filter(({ path }) => path[0] === name).map(({ path, value }) => ({ path: path.slice(1), value }))
}
