import { isScalar } from 'yaml'
import { holdsKnownToken } from '../known-tokens.ts'
import { VARIABLE_NAME } from '../variable-name.ts'
import { secretProblem } from './expand.ts'
import { isLoaderVariable } from './loader-variables.ts'
import { parsePlaceholders } from './placeholders.ts'
import { locate } from './plain.ts'
import { type Problem, quoted } from './problem.ts'
import { SERVER_NAME } from './schema.ts'
import type { Tree } from './tree.ts'

type Report = (problem: Problem) => void

/**
 * What no single value shows: names, and how a server's parts fit together. It looks at the tree and not at the
 * schema's result, so that it also finds something in a file that has other mistakes.
 */
export function checkRules(tree: Tree, report: Report): void {
  const defaults = textsAt(tree, ['defaults'], ['cwd', 'path'])
  for (const text of defaults) checkPlaceholders(text, new Set(), report)
  for (const [name, { keyOffset, tree: server }] of entries(tree, 'servers')) {
    if (!SERVER_NAME.test(name)) {
      report({
        offset: keyOffset,
        why: `${quoted(name)} is no server name`,
        hint: 'use at most 200 lower-case letters, digits and ._-, and a letter or digit first',
      })
    }
    checkServer(server, defaults, report)
  }
}

function checkServer(server: Tree, defaults: readonly Text[], report: Report): void {
  const secrets = entries(server, 'secrets')
  const plain = entries(server, 'env')
  for (const [name, { keyOffset }] of [...secrets, ...plain]) checkVariableName(name, keyOffset, report)
  for (const [name, { keyOffset }] of plain) {
    if (secrets.has(name)) report({ offset: keyOffset, why: `${quoted(name)} stands under "env" and "secrets"` })
  }
  for (const [name, { keyOffset }] of secrets) {
    if (isLoaderVariable(name)) {
      report({
        offset: keyOffset,
        why: `${quoted(name)} can not come from a secret: whoever changes it runs code in the server`,
        hint: 'put it under env, with a value that everybody may see',
      })
    }
  }
  const secretNames = new Set(secrets.keys())
  const texts = textsAt(server, [], ['command', 'args', 'cwd', 'path', 'env'])
  for (const text of [...texts, ...textsAt(server, [], ['description'])]) checkToken(text, report)
  for (const [, { tree }] of secrets) {
    for (const text of commandTexts(tree)) checkToken(text, report)
  }
  for (const text of texts) checkPlaceholders(text, secretNames, report)
  for (const text of defaults) checkSecretNames(text, secretNames, report)
}

function checkVariableName(name: string, offset: number, report: Report): void {
  if (VARIABLE_NAME.test(name)) return
  report({
    offset,
    why: `${quoted(name)} is no variable name`,
    hint: 'use letters, digits and _, and no digit first',
  })
}

function checkToken({ text, name, offset }: Text, report: Report): void {
  if (!holdsKnownToken(text)) return
  report({
    offset,
    why: `${quoted(name)} looks like a secret (its text is not shown)`,
    hint: 'keep it where secrets are kept, put a reference to it under "secrets", and renew it',
  })
}

function checkPlaceholders(text: Text, secretNames: ReadonlySet<string>, report: Report): void {
  for (const part of parsePlaceholders(text.text)) {
    if (part.kind === 'mistake') {
      report({ offset: text.offset, why: `${quoted(text.name)} ${part.why}`, hint: part.hint })
    }
  }
  checkSecretNames(text, secretNames, report)
}

function checkSecretNames(text: Text, secretNames: ReadonlySet<string>, report: Report): void {
  for (const part of parsePlaceholders(text.text)) {
    if (part.kind !== 'variable' || !secretNames.has(part.name)) continue
    const { why, hint } = secretProblem(part.name)
    report({ offset: text.offset, why: `${quoted(text.name)} ${why}`, hint })
  }
}

interface Text {
  readonly name: string
  readonly text: string
  readonly offset: number
}

/** All texts at and below some keys. */
function textsAt(tree: Tree, path: readonly string[], keys: readonly string[]): Text[] {
  return keys.flatMap((key) => {
    const { tree: place, found } = locate(tree, [...path, key])
    return found ? texts(place, key) : []
  })
}

function texts({ content, offset }: Tree, name: string): Text[] {
  if (isScalar(content)) return typeof content.value === 'string' ? [{ name, text: content.value, offset }] : []
  if (content instanceof Map) return [...content].flatMap(([key, value]) => texts(value, key))
  return (content as readonly Tree[]).flatMap((item, index) => texts(item, `${name}[${index}]`))
}

/** The words of `{ command }` and `{ from: { command } }`. */
function commandTexts(secret: Tree): Text[] {
  return [...textsAt(secret, [], ['command']), ...textsAt(secret, ['from'], ['command'])]
}

function entries(tree: Tree, key: string): ReadonlyMap<string, { keyOffset: number; tree: Tree }> {
  const { tree: place, found } = locate(tree, [key])
  if (!found || !(place.content instanceof Map)) return new Map()
  return new Map([...place.content].map(([name, value]) => [name, { keyOffset: value.keyOffset, tree: value }]))
}
