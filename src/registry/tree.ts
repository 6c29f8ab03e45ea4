import { type Alias, type Document, isAlias, isMap, isScalar, isSeq, type Node, Scalar, type YAMLMap } from 'yaml'
import { Anchors } from './anchors.ts'
import type { Lines } from './lines.ts'
import { type Problem, quoted } from './problem.ts'

/** A value of the registry and where it stands. */
export interface Tree {
  readonly offset: number
  /** Where its key stands; its own place for what has none. */
  readonly keyOffset: number
  readonly content: Scalar | readonly Tree[] | ReadonlyMap<string, Tree>
}

/** The schema needs six. */
const DEEPEST = 16

/**
 * The document with aliases and merge keys (`<<`) put in place; undefined, after a report, if there is nothing in it or
 * no end to it. What an alias stands for has its anchor's position: that is what has to be changed.
 */
export function readTree(document: Document, lines: Lines, report: (problem: Problem) => void): Tree | undefined {
  const { contents } = document
  if (contents === null || (isScalar(contents) && contents.value === null)) {
    report({ offset: undefined, why: 'is empty', hint: 'give it a "servers:" with a server in it' })
    return undefined
  }
  return new TreeReader(new Anchors(document), lines, report).readAll(contents)
}

class TreeReader {
  readonly #anchors: Anchors
  readonly #lines: Lines
  readonly #report: (problem: Problem) => void
  #givenUp = false

  constructor(anchors: Anchors, lines: Lines, report: (problem: Problem) => void) {
    this.#anchors = anchors
    this.#lines = lines
    this.#report = report
  }

  readAll(root: Node): Tree | undefined {
    const tree = this.#read(root, start(root), 0)
    return this.#givenUp ? undefined : tree
  }

  #read(node: Node, keyOffset: number, depth: number): Tree | undefined {
    const offset = start(node)
    if (depth > DEEPEST) return this.#giveUp(offset, 'is nested too deeply here')
    if (isAlias(node)) return this.#alias(node, keyOffset, depth)
    if (!this.#anchors.spend(node)) return this.#giveUp(offset, 'the aliases expand to too much', 'write values out')
    if (isMap(node)) return { offset, keyOffset, content: this.#mapping(node, depth) }
    if (isSeq(node)) return { offset, keyOffset, content: this.#list(node.items as Node[], depth) }
    return isScalar(node) ? { offset, keyOffset, content: node } : undefined
  }

  #alias(alias: Alias, keyOffset: number, depth: number): Tree | undefined {
    const target = this.#anchors.targetOf(alias)
    if (target === undefined) {
      return this.#giveUp(start(alias), `no anchor ${quoted(alias.source)} before this alias`, 'set it with &, above')
    }
    return this.#anchors.within(() => this.#read(target, keyOffset, depth + 1))
  }

  #list(items: readonly Node[], depth: number): Tree[] {
    return items.map((item) => this.#read(item, start(item), depth + 1)).filter((tree) => tree !== undefined)
  }

  #mapping(map: YAMLMap, depth: number): Map<string, Tree> {
    const own = new Map<string, Tree>()
    const merged: Map<string, Tree>[] = []
    for (const { key, value } of map.items) {
      if (!isScalar(key)) {
        this.#fail(isAlias(key) ? start(key) : start(map), 'a key is no text')
        continue
      }
      const node = (value as Node | null) ?? nothingAfter(key)
      if (key.value === '<<' && key.type === 'PLAIN') merged.push(...this.#mergeSources(node, depth))
      else this.#entry(own, key, node, depth)
    }
    for (const [name, tree] of merged.flatMap((source) => [...source])) {
      if (!own.has(name)) own.set(name, tree)
    }
    return own
  }

  #entry(into: Map<string, Tree>, key: Scalar, value: Node, depth: number): void {
    const name = String(key.value)
    const first = into.get(name)
    if (first !== undefined) {
      const place = this.#lines.place(first.keyOffset)
      this.#fail(start(key), `the key ${quoted(name)} is there twice, first at ${place}`, 'take one of them out')
      return
    }
    // Plain objects are made of this later, and there it would set the prototype.
    if (name === '__proto__') {
      this.#fail(start(key), 'the key "__proto__" can not be used')
      return
    }
    const tree = this.#read(value, start(key), depth + 1)
    if (tree !== undefined) into.set(name, tree)
  }

  /** https://yaml.org/type/merge.html: a mapping or a list of mappings, of which the earlier wins. */
  #mergeSources(node: Node, depth: number): Map<string, Tree>[] {
    const tree = this.#read(node, start(node), depth)
    if (tree === undefined) return []
    const sources = Array.isArray(tree.content) ? (tree.content as Tree[]) : [tree]
    const mappings = sources.map(({ content }) => content).filter((content) => content instanceof Map)
    if (mappings.length < sources.length) {
      this.#fail(start(node), '"<<" takes a mapping or a list of mappings', 'write <<: *anchor')
    }
    return mappings
  }

  #fail(offset: number, why: string, hint?: string): void {
    this.#report({ offset, why, hint })
  }

  /** Reports only once: what comes after is a consequence. */
  #giveUp(offset: number, why: string, hint?: string): undefined {
    if (!this.#givenUp) this.#fail(offset, why, hint)
    this.#givenUp = true
  }
}

/** The value of `key` in `{ key }`, as if it were written out. */
function nothingAfter(key: Scalar): Scalar {
  const scalar = new Scalar(null)
  if (key.range) scalar.range = key.range
  return scalar
}

function start(node: Node): number {
  return node.range?.[0] ?? 0
}
