import type { World } from '../world.ts'
import { readDocument } from './document.ts'
import { serverEntries, settingsOf } from './entries.ts'
import type { ServerEntry, Settings } from './entry.ts'
import { readRegistryFile } from './file.ts'
import { issueProblems } from './issues.ts'
import { Lines } from './lines.ts'
import { plainData } from './plain.ts'
import { type Problem, throwProblems } from './problem.ts'
import { checkRules } from './rules.ts'
import { type RegistryData, registrySchema } from './schema.ts'
import { decodeText } from './text.ts'
import { readTree, type Tree } from './tree.ts'

export interface Registry {
  readonly path: string
  readonly settings: Settings
  readonly servers: ReadonlyMap<string, ServerEntry>
}

/** The registry from its file, for whatever shows all of it. A launch uses `lookUp`. */
export function loadRegistry(world: World, path: string): Registry {
  return parseRegistry(readRegistryFile(world, path), path)
}

/** Bytes, text, syntax tree, tree without aliases, checked data, entries. Throws all problems at once. */
export function parseRegistry(bytes: Uint8Array, path: string): Registry {
  const problems: Problem[] = []
  const report = (problem: Problem): void => {
    problems.push(problem)
  }
  const text = decodeText(bytes, report)
  const lines = new Lines(text ?? '')
  const document =
    text === undefined || problems.length > 0 ? undefined : readDocument(text, path.endsWith('.json'), report)
  const tree = document === undefined ? undefined : readTree(document, lines, report)
  const data = tree === undefined ? undefined : checkedData(tree, report)
  throwProblems(path, lines, problems)
  if (data === undefined) throw new Error('a registry without data and without a problem')
  return { path, settings: settingsOf(data), servers: serverEntries(data) }
}

function checkedData(tree: Tree, report: (problem: Problem) => void): RegistryData | undefined {
  checkRules(tree, report)
  const result = registrySchema.safeParse(plainData(tree))
  if (!result.success) for (const problem of issueProblems(tree, result.error.issues)) report(problem)
  return result.data
}
