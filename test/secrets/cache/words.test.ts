import { expect, test } from 'vitest'
import type { Block, Meta } from '../../../src/secrets/cache/meta.ts'
import { mapDetails, sealed, unsealed } from '../../../src/secrets/cache/words.ts'
import { testWorld } from '../../world.ts'

const world = testWorld()
const identity = Buffer.alloc(32, 7)

test('what is sealed can be read with the same key alone', () => {
  for (const words of ['', 'the vault is locked', 'größe \u{1f600}']) {
    const text = sealed(world, identity, words)
    expect(text).not.toBe(sealed(world, identity, words))
    expect(unsealed(world, identity, text)).toBe(words)
    expect(unsealed(world, Buffer.alloc(32, 8), text)).toBe(undefined)
    expect(
      unsealed(
        world,
        identity,
        text.replace(/^./, (letter) => (letter === 'A' ? 'B' : 'A')),
      ),
    ).toBe(undefined)
    expect(unsealed(world, identity, text.slice(0, 20))).toBe(undefined)
  }
})

test('each detail is changed, and what comes to nothing is left out', () => {
  const block = { refusal: 'failure', message: 'm', since: 1, at: 1, until: 2, failures: 1 } as const
  const meta = (detail: { readonly detail?: string }): Meta => {
    const error: Block = { ...block, ...detail }
    return {
      format: 1,
      writtenAt: 0,
      refs: {
        a: { text: 'a', kind: 'command', attemptedAt: 1, error },
        b: { text: 'b', kind: 'op', attemptedAt: 1 },
        c: { text: 'c', kind: 'command', attemptedAt: 1, error, errors: { client: error, another: error } },
      },
      sources: { op: error },
    }
  }
  expect(mapDetails(meta({ detail: 'x' }), (text) => `${text}y`)).toEqual(meta({ detail: 'xy' }))
  expect(mapDetails(meta({ detail: 'x' }), () => undefined)).toEqual(meta({}))
  expect(mapDetails(meta({}), () => 'z')).toEqual(meta({}))
})
