import { type Alias, type Document, isAlias, isNode, isScalar, type Node, visit } from 'yaml'

/** Nodes and characters that all aliases together may put in; a file of ours holds a million characters at most. */
const BUDGET = 2_000_000

/**
 * What each alias stands for, found in one walk (`Alias.resolve` walks anew each time), and a budget against aliases
 * that expand exponentially ("billion laughs").
 */
export class Anchors {
  readonly #targets = new Map<Alias, Node>()
  #budget = BUDGET
  #aliasDepth = 0

  constructor(document: Document) {
    const named = new Map<string, Node>()
    visit(document, (_, node) => {
      if (!isNode(node)) return
      if (isAlias(node)) {
        const target = named.get(node.source)
        if (target !== undefined) this.#targets.set(node, target)
      } else if (node.anchor !== undefined) {
        named.set(node.anchor, node)
      }
    })
  }

  /** Undefined for an anchor that is not set before its alias. */
  targetOf(alias: Alias): Node | undefined {
    return this.#targets.get(alias)
  }

  /** Reads what an alias stands for: the nodes in it count. */
  within<T>(read: () => T): T {
    this.#aliasDepth++
    try {
      return read()
    } finally {
      this.#aliasDepth--
    }
  }

  /** False once the budget is used up. */
  spend(node: Node): boolean {
    if (this.#aliasDepth > 0) this.#budget -= 1 + (isScalar(node) ? String(node.value).length : 0)
    return this.#budget >= 0
  }
}
