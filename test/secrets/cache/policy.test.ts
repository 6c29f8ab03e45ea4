import { expect, test } from 'vitest'
import { type Policy, wanted } from '../../../src/secrets/cache/policy.ts'
import { parseRef } from '../../../src/secrets/parse-ref.ts'

const HOUR = 3_600_000
const settings = { ttlMs: 4 * HOUR, stale: 'warn', maxStaleMs: 7 * 24 * HOUR, resolveTimeoutMs: 4_000 } as const

type Cache = boolean | number | undefined

function item(from: unknown, cache: Cache) {
  return wanted(parseRef(from), cache === undefined ? {} : { cache }, settings, (file) => `/base/${file}`)
}

const never: Policy = { kind: 'never' }
const time = (ttlMs: number): Policy => ({ kind: 'time', ttlMs })
const content = (file: string, ttlMs = Number.POSITIVE_INFINITY): Policy => ({ kind: 'content', file, ttlMs })

test.each<[unknown, Cache, Policy]>([
  ['op://v/i/f', undefined, time(4 * HOUR)],
  ['op://v/i/f', true, time(4 * HOUR)],
  ['op://v/i/f', HOUR, time(HOUR)],
  ['op://v/i/f', false, never],
  ['op://v/i/f?attribute=otp', undefined, never],
  ['op://v/i/f?attribute=totp', undefined, never],
  ['op://v/i/f?attribute=otp', true, never],
  ['op://v/i/f?attribute=otp', HOUR, never],
  ['op://v/i/f?ssh-format=openssh', undefined, time(4 * HOUR)],
  [{ command: ['pass', 'x'] }, undefined, time(4 * HOUR)],
  [{ command: ['pass', 'x'] }, HOUR, time(HOUR)],
  [{ command: ['pass', 'x'] }, false, never],
  ['sops:s.yaml#/a', undefined, content('/base/s.yaml')],
  ['sops:s.yaml#/a', true, content('/base/s.yaml')],
  ['sops:s.yaml#/a', HOUR, content('/base/s.yaml', HOUR)],
  ['sops:s.yaml#/a', false, never],
  ['age:a.age', undefined, content('/base/a.age')],
  ['age:a.age', false, never],
  ['file:f', undefined, never],
  ['file:f', false, never],
  ['file:f', true, time(4 * HOUR)],
  ['file:f', HOUR, time(HOUR)],
  ['env:E', undefined, never],
  ['env:E', true, time(4 * HOUR)],
  ['env:E', false, never],
])('%j with cache: %j', (from, cache, policy) => {
  expect(item(from, cache).policy).toEqual(policy)
})

test('the key tells the same words of two registries apart where they mean two things', () => {
  const keys = (base: string) =>
    ['op://v/i/f', 'sops:s.yaml#/a', 'age:a.age', 'file:f', 'env:E', { command: ['./get', 'x'] }].map(
      (from) => wanted(parseRef(from), {}, settings, (file) => `${base}/${file}`).key,
    )
  expect(keys('/one')).toEqual([
    'op://v/i/f',
    'sops:/one/s.yaml#/a',
    'age:/one/a.age',
    'file:/one/f',
    'env:E',
    '{"command":["./get","x"]} in /one/.',
  ])
  const same = keys('/two').filter((key, index) => key === keys('/one')[index])
  expect(same).toEqual(['op://v/i/f', 'env:E'])
})

test('a file name with a dollar sign is itself in the key', () => {
  expect(item("sops:$&-$'.yaml#/a", undefined).key).toBe("sops:/base/$&-$'.yaml#/a")
})
