import { Refusal } from '../age/refusal.ts'
import { type Rule, ruleOf } from './rule.ts'
import { childOf, type MapOf, type Scalar, type Tree, textAt } from './tree.ts'

/** What SOPS wrote about a file: nothing of it is covered by the MAC. */
export interface Metadata {
  /** The data key, encrypted for each age recipient. */
  readonly ageKeys: readonly AgeKey[]
  /** The kinds of keys other than age that open the file too: `pgp`, `kms`, … */
  readonly otherKeys: readonly string[]
  /** More than one group has the data key cut in parts (Shamir). */
  readonly hasKeyGroups: boolean
  /** Encrypted. */
  readonly mac: string
  readonly lastModified: string
  readonly macOnlyEncrypted: boolean
  /** A function, as reading it may show that SOPS itself is needed. */
  readonly rule: () => Rule
}

export interface AgeKey {
  readonly recipient: string
  readonly encrypted: string
}

const OTHER_KINDS = ['kms', 'gcp_kms', 'hckms', 'azure_kv', 'hc_vault', 'pgp'] as const

/** From a document's `sops` entry, the names as in SOPS's `stores.metadata`. */
export function metadataOf(sops: MapOf<Scalar>): Metadata {
  const ageKeys = itemsAt(sops, 'age').map((item) => ({
    recipient: (item.kind === 'map' ? textAt(item, 'recipient') : undefined) ?? '',
    encrypted: (item.kind === 'map' ? textAt(item, 'enc') : undefined) ?? '',
  }))
  const otherKeys = OTHER_KINDS.filter((kind) => itemsAt(sops, kind).length > 0)
  // As SOPS: groups count only if there are no keys beside them.
  const hasKeyGroups = ageKeys.length + otherKeys.length === 0 && itemsAt(sops, 'key_groups').length > 0
  if (ageKeys.length + otherKeys.length === 0 && !hasKeyGroups)
    throw new Refusal('its metadata name no key', 'restore it from a backup')
  return {
    ageKeys,
    otherKeys,
    hasKeyGroups,
    mac: textAt(sops, 'mac') ?? '',
    lastModified: textAt(sops, 'lastmodified') ?? '',
    macOnlyEncrypted: flagAt(sops, 'mac_only_encrypted'),
    rule: () => ruleOf(sops),
  }
}

function itemsAt(map: MapOf<Scalar>, key: string): readonly Tree<Scalar>[] {
  const value = childOf(map, key)
  return value?.kind === 'list' ? value.items : []
}

function flagAt(map: MapOf<Scalar>, key: string): boolean {
  const text = textAt(map, key) ?? 'false'
  if (/^(1|t|true)$/i.test(text)) return true
  if (/^(0|f|false|)$/i.test(text)) return false
  throw new Refusal(`its ${key} is neither true nor false`, 'restore it from a backup')
}
