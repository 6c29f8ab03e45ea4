import { expect, test } from 'vitest'
import type { Block, Meta } from '../../src/secrets/cache/meta.ts'
import { failing, repeatedFailures } from '../../src/secrets/cache/repeated-failures.ts'
import { parseRef } from '../../src/secrets/parse-ref.ts'

const HOUR = 3_600_000
const NOW = 100 * HOUR

const ONE = { key: 'one', source: 'account', ref: parseRef('op://v/one/field') }
const TWO = { key: 'two', ref: parseRef('env:TWO') }

const block = (failures: number, message = 'no route'): Block => ({
  refusal: 'unavailable',
  message,
  since: NOW - 3 * HOUR,
  at: NOW,
  until: NOW,
  failures,
})

const meta = (errors: Record<string, Block>, sources: Meta['sources'] = {}): Meta => ({
  format: 1,
  writtenAt: 0,
  refs: Object.fromEntries(
    Object.entries(errors).map(([key, error]) => [key, { text: key, kind: 'op', attemptedAt: NOW, error }]),
  ),
  sources,
})

test('none, and once, is nothing to speak of', () => {
  expect(repeatedFailures(meta({}), [ONE, TWO], NOW)).toBeUndefined()
  expect(repeatedFailures(meta({ one: block(1) }), [ONE, TWO], NOW)).toBeUndefined()
  expect(failing(meta({ one: block(1) }), [ONE, TWO])).toHaveLength(1)
})

test('twice in a row is', () => {
  expect(repeatedFailures(meta({ one: block(2) }), [ONE, TWO], NOW)).toBe(
    'the last 2 refreshes of op://v/one/field failed, for 3 h now: no route',
  )
})

test('what others use is theirs', () => {
  expect(repeatedFailures(meta({ one: block(9) }), [TWO], NOW)).toBeUndefined()
})

test('one remark for all, with what failed most often', () => {
  expect(repeatedFailures(meta({ one: block(2), two: block(5, 'gone') }), [ONE, TWO], NOW)).toBe(
    'the last 5 refreshes of env:TWO (and of 1 more) failed, for 3 h now: gone',
  )
})

test('a source that fails for all its references', () => {
  expect(repeatedFailures(meta({}, { account: block(4) }), [ONE, TWO], NOW)).toMatch(/^the last 4 refreshes of op:/)
})
