import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Meta, RefState } from '../../../src/secrets/cache/meta.ts'
import type { Policy } from '../../../src/secrets/cache/policy.ts'
import { pruned } from '../../../src/secrets/cache/prune.ts'
import { useOf, type Values } from '../../../src/secrets/cache/values.ts'
import { Secret } from '../../../src/secrets/secret.ts'
import { testHome } from './home.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const STALE_MS = 7 * DAY

const state = (attemptedAt: number): RefState => ({ text: 'r', kind: 'op', attemptedAt })
const metaOf = (refs: Meta['refs']): Meta => ({ format: 1, writtenAt: 0, refs, sources: {} })

function valuesOf(policy: Policy, fetchedAt: number, contentHash?: string): Values {
  const use = useOf(policy, fetchedAt, STALE_MS)
  const hash = contentHash === undefined ? {} : { contentHash }
  return new Map([['key', { value: new Secret('v'), fetchedAt, changedAt: fetchedAt, ...use, ...hash }]])
}

describe('a value with a time', () => {
  test.each([
    [{ ttlMs: 4 * HOUR }, 7 * DAY, 7 * DAY + 1],
    [{ ttlMs: 30 * DAY }, 30 * DAY, 30 * DAY + 1],
    [{ ttlMs: 4 * HOUR }, -7 * DAY, -7 * DAY - 1],
  ])('%o is kept for as long as it may be used, and not longer', (times, kept, gone) => {
    const { world, clock } = testHome()
    const policy: Policy = { kind: 'time', ...times }
    const left = (age: number) => pruned(world, valuesOf(policy, clock - age), metaOf({})).values.size
    expect([left(0), left(kept), left(gone)]).toEqual([1, 1, 0])
  })

  test('of nothing is kept for whoever waits for it', () => {
    const { world, clock } = testHome()
    const use = useOf({ kind: 'time', ttlMs: 0 }, clock - 60_000, 0)
    const value = { value: new Secret('v'), fetchedAt: clock - 60_000, changedAt: 0, ...use }
    expect(pruned(world, new Map([['key', value]]), metaOf({})).values.size).toBe(1)
  })
})

describe("a file's value", () => {
  function fileHome() {
    const self = testHome()
    const file = join(self.home, 'secrets.yaml')
    writeFileSync(file, 'x')
    return Object.assign(self, { file, hash: self.world.sha256('x') })
  }

  test('is kept for ever while the bytes are the same, and goes when they change or are gone', () => {
    const { world, clock, file, hash } = fileHome()
    const policy: Policy = { kind: 'content', file, ttlMs: Number.POSITIVE_INFINITY }
    const left = () => pruned(world, valuesOf(policy, clock - 1_000 * DAY, hash), metaOf({})).values.size
    expect(left()).toBe(1)
    writeFileSync(file, 'y')
    expect(left()).toBe(0)
    writeFileSync(file, 'x')
    expect(left()).toBe(1)
    rmSync(file)
    expect(left()).toBe(0)
  })

  test('with a time goes after it', () => {
    const { world, clock, file, hash } = fileHome()
    const policy: Policy = { kind: 'content', file, ttlMs: 4 * HOUR }
    const left = (age: number) => pruned(world, valuesOf(policy, clock - age, hash), metaOf({})).values.size
    expect([left(4 * HOUR), left(4 * HOUR + 1)]).toEqual([1, 0])
  })
})

test('a state is kept with its value, and for a month without one', () => {
  const { world, clock } = testHome()
  const policy: Policy = { kind: 'time', ttlMs: 100 * DAY }
  const refs = { key: state(clock - 40 * DAY), young: state(clock - 30 * DAY), old: state(clock - 30 * DAY - 1) }
  const { meta } = pruned(world, valuesOf(policy, clock - 40 * DAY), metaOf(refs))
  expect(Object.keys(meta.refs)).toEqual(['key', 'young'])
})
