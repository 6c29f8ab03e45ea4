import { chacha20poly1305 } from '@noble/ciphers/chacha.js'
import type { World } from '../../world.ts'
import { hkdf } from './hkdf.ts'
import type { Block, Meta } from './meta.ts'

/*
 * What a user's program said when it failed stands in the meta file, so that every launch that waits for it can tell.
 * It may say a password that it was given, so it is encrypted there, under the key that the values are under.
 */

const SALT_BYTES = 16
const PURPOSE = 'mcp-launch words v1'
/** Each key is used once. */
const NO_NONCE = new Uint8Array(12)

export function sealed(world: World, identity: Uint8Array, words: string): string {
  const salt = world.randomBytes(SALT_BYTES)
  const text = chacha20poly1305(hkdf(world, identity, salt, PURPOSE), NO_NONCE).encrypt(Buffer.from(words))
  return Buffer.concat([salt, text]).toString('base64')
}

/** Undefined if this machine key doesn't open it. */
export function unsealed(world: World, identity: Uint8Array, text: string): string | undefined {
  const bytes = Buffer.from(text, 'base64')
  try {
    const key = hkdf(world, identity, bytes.subarray(0, SALT_BYTES), PURPOSE)
    return Buffer.from(chacha20poly1305(key, NO_NONCE).decrypt(bytes.subarray(SALT_BYTES))).toString()
  } catch {
    return undefined
  }
}

/** The same with every `detail` put through `change`, and without those that it gives nothing for. */
export function mapDetails(meta: Meta, change: (detail: string) => string | undefined): Meta {
  const changed = ({ detail, ...block }: Block): Block => {
    const other = detail === undefined ? undefined : change(detail)
    return other === undefined ? block : { ...block, detail: other }
  }
  const allChanged = (blocks: Readonly<Record<string, Block>>): Record<string, Block> =>
    Object.fromEntries(Object.entries(blocks).map(([name, block]) => [name, changed(block)]))
  const refs = Object.entries(meta.refs).map(([key, { error, errors, ...state }]) => [
    key,
    {
      ...state,
      ...(error === undefined ? {} : { error: changed(error) }),
      ...(errors === undefined ? {} : { errors: allChanged(errors) }),
    },
  ])
  return { ...meta, refs: Object.fromEntries(refs), sources: allChanged(meta.sources) }
}
