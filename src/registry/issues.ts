import * as z from 'zod'
import { didYouMean } from '../nearest.ts'
import { locate, type Path } from './plain.ts'
import { type Problem, quoted } from './problem.ts'
import { registrySchema } from './schema.ts'
import type { Tree } from './tree.ts'
import { splitWords } from './words.ts'

type Issue = z.core.$ZodIssue

/** What zod has against the data, in our words and with positions. No word of it comes from a value. */
export function issueProblems(tree: Tree, issues: readonly Issue[]): Problem[] {
  return issues.flatMap((issue) => problemsOf(tree, issue, issue.path as Path))
}

function problemsOf(tree: Tree, issue: Issue, path: Path): Problem[] {
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey(tree, path, key))
  const { tree: place, found } = locate(tree, path)
  if (!found) return missing(tree, place, path)
  if (issue.code === 'invalid_union') {
    const branch = likeliestBranch(issue.errors)
    if (branch !== undefined)
      return branch.flatMap((inner) => problemsOf(tree, inner, [...path, ...(inner.path as Path)]))
  }
  const value = valueKind(place)
  const name = fieldName(path)
  if (value === 'nothing') return [{ offset: place.keyOffset, why: `${name} has no value` }]
  if (issue.code === 'invalid_value') return [wrongChoice(place, name, issue.values)]
  if (issue.code === 'invalid_type' && isZodsOwn(issue)) {
    return [
      { offset: place.offset, why: `${name} must be ${EXPECTED[issue.expected] ?? issue.expected}, not ${value}` },
    ]
  }
  const { why, hint } = splitWords(issue.message)
  return [{ offset: place.offset, why: `${name} ${why}`, hint }]
}

/** `error: () => undefined` in the schema leaves zod's own sentence in the message. */
function isZodsOwn(issue: Issue): boolean {
  return issue.message.startsWith('Invalid input')
}

const EXPECTED: Readonly<Record<string, string>> = {
  string: 'text',
  boolean: 'true or false',
  number: 'a number',
  array: 'a list',
  object: 'a mapping',
  record: 'a mapping',
}

function valueKind({ content }: Tree): string {
  if (content instanceof Map) return 'a mapping'
  if (Array.isArray(content)) return 'a list'
  const { value } = content as { value: unknown }
  if (value === null || value === undefined) return 'nothing'
  if (typeof value === 'string') return 'text'
  return typeof value === 'boolean' ? 'true or false' : 'a number'
}

/** `"scope"`, `"args[2]"`; the whole file for the empty path. */
function fieldName(path: Path): string {
  const field = path.findLastIndex((step) => typeof step === 'string')
  if (field === -1) return 'the registry'
  const indices = path.slice(field + 1).map((index) => `[${index}]`)
  return quoted(`${path[field]}${indices.join('')}`)
}

/** Nothing if the key is there with a slip in it: `unknownKey` tells of that. */
function missing(tree: Tree, parent: Tree, path: Path): Problem[] {
  const name = quoted(String(path.at(-1)))
  const above = path.slice(0, -1)
  const known = keysAt(registrySchema, above)
  const present = parent.content instanceof Map ? [...parent.content.keys()] : []
  const unknown = present.filter((key) => !known.includes(key))
  if (unknown.some((key) => unknownKey(tree, above, key).hint?.includes(name))) return []
  const where = above.length === 0 ? '' : ` in ${fieldName(above)}`
  return [{ offset: parent.keyOffset, why: `${name} is missing${where}` }]
}

function wrongChoice(place: Tree, name: string, values: readonly unknown[]): Problem {
  const choices = values.map(String)
  const { value } = place.content as { value: unknown }
  const hint = typeof value === 'string' ? didYouMean(value, choices) : undefined
  const last = choices.at(-1)
  return { offset: place.offset, why: `${name} must be ${choices.slice(0, -1).join(', ')} or ${last}`, hint }
}

/** The alternative that the user most likely meant; undefined if the value has the shape of none. */
function likeliestBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  const costs = branches.map((issues) => issues.reduce((sum, issue) => sum + cost(issue), 0))
  const least = Math.min(...costs)
  return least >= WRONG_SHAPE ? undefined : branches[costs.indexOf(least)]
}

const WRONG_SHAPE = 1000

function cost(issue: Issue): number {
  if (issue.code === 'invalid_type' && issue.path.length === 0 && isZodsOwn(issue)) return WRONG_SHAPE
  return issue.code === 'unrecognized_keys' || issue.code === 'invalid_type' ? 10 : 1
}

/** Words from clients' configurations, and what stands for them here. */
const FOREIGN_KEYS: Readonly<Record<string, string>> = {
  mcpServers: 'did you mean "servers"?',
  disabled: 'write "enabled: false"',
  type: 'leave it out: every server here speaks over stdin and stdout',
  transport: 'leave it out: every server here speaks over stdin and stdout',
  url: 'mcp-launch starts programs; for a remote server make "command" a bridge such as mcp-remote',
}

function unknownKey(tree: Tree, path: Path, key: string): Problem {
  const { keyOffset } = locate(tree, [...path, key]).tree
  return { offset: keyOffset, why: `unknown key ${quoted(key)}`, hint: unknownKeyHint(path, key) }
}

function unknownKeyHint(path: Path, key: string): string {
  const known = keysAt(registrySchema, path)
  if (path.length === 1 && path[0] === 'defaults' && SERVER_KEYS.includes(key)) {
    return 'put it under each server: defaults say how to launch, not what'
  }
  // The alternative that has the key was not taken: its own first key is missing.
  if (known.includes(key)) return 'write { from: { command: […] }, … } to say more about a command'
  if (Object.hasOwn(FOREIGN_KEYS, key)) return FOREIGN_KEYS[key] ?? ''
  return didYouMean(key, known) ?? `known here: ${known.join(', ')}`
}

const SERVER_KEYS = keysAt(registrySchema, ['servers', 'any'])

/** The keys that the schema has at a path. */
function keysAt(schema: unknown, path: Path): string[] {
  const inner = unwrapped(schema)
  if (inner instanceof z.ZodUnion) return inner.options.flatMap((option) => keysAt(option, path))
  const [step, ...rest] = path
  if (inner instanceof z.ZodRecord) return keysAt(inner.valueType, rest)
  if (!(inner instanceof z.ZodObject)) return []
  return step === undefined ? Object.keys(inner.shape) : keysAt(inner.shape[step], rest)
}

function unwrapped(schema: unknown): unknown {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) {
    return unwrapped(schema.unwrap())
  }
  return schema instanceof z.ZodPipe ? unwrapped(schema.in) : schema
}
