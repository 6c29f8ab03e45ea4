import { describe, expect, test } from 'vitest'
import { judge, type Verdict } from '../../../src/secrets/cache/freshness.ts'
import type { Policy } from '../../../src/secrets/cache/policy.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const NOW = 1_800_000_000_000
const time: Policy = { kind: 'time', ttlMs: 4 * HOUR }
const content = (ttlMs = Number.POSITIVE_INFINITY): Policy => ({ kind: 'content', file: '/f', ttlMs })

interface Hashes {
  readonly hash?: string
  /** Undefined if the file is gone. */
  readonly fileHash?: string | undefined
}

function verdict(policy: Policy, ageMs: number, given: Hashes & { maxStaleMs?: number } = {}): Verdict {
  const { hash, fileHash, maxStaleMs } = { hash: 'a', fileHash: 'a', maxStaleMs: 7 * 24 * HOUR, ...given }
  const entry = { fetchedAt: NOW - ageMs, contentHash: hash }
  return judge(entry, policy, { now: NOW, maxStaleMs, contentHash: fileHash })
}

describe('a value with a time', () => {
  test.each<[string, number, Verdict]>([
    ['just fetched', 0, 'fresh'],
    ['one moment before three quarters', 3 * HOUR - 1, 'fresh'],
    ['at three quarters', 3 * HOUR, 'renew'],
    ['one moment before its end', 4 * HOUR - 1, 'renew'],
    ['at its end', 4 * HOUR, 'stale'],
    ['at the ceiling', 168 * HOUR, 'stale'],
    ['beyond the ceiling', 168 * HOUR + 1, 'useless'],
    ['from a clock that was a little ahead', -5 * MINUTE, 'fresh'],
    ['from a clock that was set back since', -5 * MINUTE - 1, 'stale'],
    ['from a clock that was ahead by the ceiling', -168 * HOUR, 'stale'],
    ['from a clock that was ahead by more', -168 * HOUR - 1, 'useless'],
    ['after the clock was set forward by a year', 365 * 24 * HOUR, 'useless'],
  ])('%s', (_, age, expected) => {
    expect(verdict(time, age)).toBe(expected)
  })

  test('of a clock that was ahead is never served for longer than the ceiling before and after its time', () => {
    const served = (days: number) => verdict(time, -days * 24 * HOUR) !== 'useless'
    const days = Array.from({ length: 10_001 }, (_, index) => index - 5_000)
    expect(days.filter(served)).toEqual(days.filter((day) => Math.abs(day) <= 7))
  })

  test('that was withdrawn is good for its time, and not beyond it', () => {
    const judged = (age: number) =>
      judge({ fetchedAt: NOW - age, isWithdrawn: true }, time, { now: NOW, maxStaleMs: 7 * 24 * HOUR, contentHash: '' })
    expect([0, 3 * HOUR, 4 * HOUR, -HOUR].map(judged)).toEqual(['fresh', 'renew', 'useless', 'useless'])
  })

  test('is never stale where nothing may be', () => {
    expect(verdict(time, 4 * HOUR, { maxStaleMs: 0 })).toBe('useless')
  })

  test('longer than the ceiling lasts its time', () => {
    const policy: Policy = { kind: 'time', ttlMs: 30 * 24 * HOUR }
    expect(verdict(policy, 10 * 24 * HOUR)).toBe('fresh')
    expect(verdict(policy, 30 * 24 * HOUR)).toBe('useless')
  })
})

describe("a file's value", () => {
  test.each<[string, Policy, number, Hashes, Verdict]>([
    ['is good for ever while the bytes are the same', content(), 1000 * 24 * HOUR, {}, 'fresh'],
    ['and no more when they change', content(), 0, { fileHash: 'b' }, 'useless'],
    ['nor when the file is gone', content(), 0, { fileHash: undefined }, 'useless'],
    ['has a time if the registry says so', content(HOUR), HOUR - 1, {}, 'fresh'],
    ['and is useless after it: the file can be asked at once', content(HOUR), HOUR, {}, 'useless'],
    ['is not trusted after the clock was set back', content(), -HOUR, {}, 'useless'],
  ])('%s', (_, policy, age, hashes, expected) => {
    expect(verdict(policy, age, hashes)).toBe(expected)
  })

  test('without a hash, of a file without one, is nothing', () => {
    const at = { now: NOW, maxStaleMs: HOUR, contentHash: undefined }
    expect(judge({ fetchedAt: NOW }, content(), at)).toBe('useless')
  })
})

test('nothing, and what is never cached, is useless', () => {
  const at = { now: NOW, maxStaleMs: HOUR, contentHash: 'a' }
  expect(judge(undefined, time, at)).toBe('useless')
  expect(judge({ fetchedAt: NOW }, { kind: 'never' }, at)).toBe('useless')
})
