import { readFileSync } from 'node:fs'
import { decryptSops } from 'sops-age'
import { describe, expect, it } from 'vitest'
import {
  FIXTURES,
  FOR_THE_PROGRAM,
  KEYS,
  leavesOf,
  resolveAll,
  reveal,
  withMainKey,
} from '../../fixtures/sops/fixtures.ts'

/** It fails on numeric keys, times and comments in lists, mangles dotenv, and reads no binary file by that name. */
const UNREADABLE = /numeric-keys|types|times|regex\.json|post-quantum|second-key|\.txt$|\.bin$|\.env$/

const readable = FIXTURES.filter(({ name }) => !FOR_THE_PROGRAM.test(name) && !UNREADABLE.test(name))

describe('sops-age, another implementation, says the same', () => {
  it.each(readable)('$name', async ({ path, name, expected }) => {
    const fileType = name.endsWith('.json') ? 'json' : 'yaml'
    const theirs = await decryptSops(readFileSync(path, 'utf8'), { fileType, secretKey: KEYS.main.identity })
    const leaves = leavesOf(expected.toString()).filter(({ value }) => value !== null && value !== '')
    const encrypted = leaves.filter(({ pointer }) => /token|secret/i.test(pointer.join()))
    expect(encrypted.length).toBeGreaterThan(0)
    const ours = await resolveAll(
      withMainKey,
      path,
      encrypted.map(({ pointer }) => pointer),
    )
    for (const [index, { pointer }] of encrypted.entries()) {
      const their = pointer.reduce<unknown>((value, key) => (value as Record<string, unknown>)[key], theirs)
      const our = ours[index]
      if (our === undefined) throw new Error('no outcome')
      // Under mac_only_encrypted what stands in clear is refused here.
      if (name.includes('mac-only') && !/token|secret/.test(pointer.join())) continue
      expect(reveal(our), pointer.join('/')).toBe(`${their}`)
    }
  })
})
