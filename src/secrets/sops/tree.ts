/** A document in file order, which is what SOPS's MAC goes by. Keys are unique within a map. */
export type Tree<Leaf> =
  | { readonly kind: 'map'; readonly entries: readonly Entry<Leaf>[] }
  | { readonly kind: 'list'; readonly items: readonly Tree<Leaf>[] }
  | { readonly kind: 'leaf'; readonly leaf: Leaf }

export type MapOf<Leaf> = Extract<Tree<Leaf>, { kind: 'map' }>

export interface Entry<Leaf> {
  readonly key: string
  readonly value: Tree<Leaf>
}

/** A leaf as it stands in the file; `text` is the value's, without quotes, numbers as Go's SOPS writes them. */
export interface Scalar {
  readonly type: 'text' | 'number' | 'bool' | 'null'
  readonly text: string
}

/** A leaf after decryption. */
export interface Clear {
  readonly type: 'text' | 'number' | 'bool' | 'null'
  /** Not yet a string: what SOPS encrypts needn't be UTF-8. */
  readonly bytes: Buffer
  /** Whether it was decrypted; if not, it stood in the file as it is. */
  readonly wasEncrypted: boolean
}

export function childOf<Leaf>(map: MapOf<Leaf>, key: string): Tree<Leaf> | undefined {
  return map.entries.find((entry) => entry.key === key)?.value
}

/** The text at a key of a map; undefined if there is none or it isn't a leaf. */
export function textAt(map: MapOf<Scalar>, key: string): string | undefined {
  const value = childOf(map, key)
  return value?.kind === 'leaf' && value.leaf.type !== 'null' ? value.leaf.text : undefined
}
