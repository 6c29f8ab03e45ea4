import { expect, test } from 'vitest'
import type { Block, Meta } from '../../../src/secrets/cache/meta.ts'
import { blocksOf, standingRefusal } from '../../../src/secrets/cache/standing.ts'

const NOW = 1_800_000_000_000
const ITEM = { key: 'key', source: 'account' }

const block = (message: string, lastsMs: number): Block => ({
  refusal: 'unavailable',
  message,
  since: NOW,
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
  expect(blocksOf(meta(undefined, block('source', 1)), { key: 'key' })).toEqual([])
})
