import { describe, expect, test } from 'vitest'
import type { Block, Meta } from '../../../src/secrets/cache/meta.ts'
import { blocksFor, errorFor, lastRefusal, standingRefusal } from '../../../src/secrets/cache/standing.ts'

const NOW = 1_800_000_000_000
const ITEM = { key: 'key', source: 'account' }

const block = (message: string, lastsMs: number): Block => ({
  refusal: 'unavailable',
  message,
  since: NOW,
  at: NOW,
  until: NOW + lastsMs,
  failures: 1,
})

const meta = (own: Block | undefined, account: Block | undefined): Meta => ({
  format: 1,
  writtenAt: 0,
  refs: { key: { text: 'ref', kind: 'op', attemptedAt: NOW, ...(own === undefined ? {} : { error: own }) } },
  sources: account === undefined ? {} : { account },
})

test.each<[string, Block | undefined, Block | undefined, string | undefined]>([
  ['nothing', undefined, undefined, undefined],
  ['its own', block('own', 1), undefined, 'own'],
  ["its source's", undefined, block('source', 1), 'source'],
  ['its own, of both', block('own', 1), block('source', 1), 'own'],
  ['what still holds', block('own', 0), block('source', 1), 'source'],
  ['its own, if none holds any more', block('own', 0), block('source', 0), 'own'],
])('of a reference is told %s', (_, own, account, message) => {
  expect(standingRefusal(meta(own, account), ITEM, NOW)?.message).toBe(message)
})

test("what isn't of its source is another's", () => {
  expect(blocksFor('us', meta(undefined, block('source', 1)), { key: 'key' })).toEqual([])
})

describe('what went wrong for one asker', () => {
  const at = (message: string, time: number): Block => ({ ...block(message, 0), at: time })
  const state = {
    text: 'ref',
    kind: 'op' as const,
    attemptedAt: NOW,
    errors: { us: at('ours', 2), them: at('theirs', 3) },
  }
  const shared = { ...meta(undefined, undefined), refs: { key: state } }

  test('is no other’s', () => {
    expect(blocksFor('us', shared, ITEM).map(({ message }) => message)).toEqual(['ours'])
    expect(blocksFor('a third', shared, ITEM)).toEqual([])
    expect(errorFor('a third', state)).toBeUndefined()
  })

  test('gives way to what everybody is told later', () => {
    expect(errorFor('us', { ...state, error: at('everybody’s', 3) })?.message).toBe('everybody’s')
    expect(errorFor('us', { ...state, error: at('everybody’s', 1) })?.message).toBe('ours')
  })

  test('is told to a person, the last of it', () => {
    expect(lastRefusal(shared, ITEM)?.message).toBe('theirs')
    expect(standingRefusal(shared, ITEM, NOW)?.message).toBe('theirs')
  })
})
