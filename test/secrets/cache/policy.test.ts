import { describe, expect, test } from 'vitest'
import { type Policy, wanted } from '../../../src/secrets/cache/policy.ts'
import { parseEnvironmentRef, parseRef } from '../../../src/secrets/parse-ref.ts'

const HOUR = 3_600_000
const cache = { ttlMs: 4 * HOUR, stale: 'warn', maxStaleMs: 7 * 24 * HOUR, resolveTimeoutMs: 4_000 } as const
const settings = { cache, onepassword: { token: parseRef('env:T') } }

type Cache = boolean | number | undefined

function item(from: unknown, own: Cache) {
  return wanted(parseRef(from), own === undefined ? {} : { cache: own }, settings, (file) => `/base/${file}`)
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

describe('the key', () => {
  const keys = (base: string) =>
    ['sops:s.yaml#/a', 'age:a.age', 'file:f', 'env:E', { command: ['./get', 'x'] }].map(
      (from) => wanted(parseRef(from), {}, settings, (file) => `${base}/${file}`).key,
    )
  /** Of a reference to 1Password, in the registry `/base` with this token. */
  const opKeys = (token: unknown, base = '/base') =>
    [parseRef('op://v/i/f'), parseEnvironmentRef('op-env:id')].map((ref) => {
      const { key, source } = wanted(ref, {}, { cache, onepassword: { token: parseRef(token) } }, (file) =>
        file.startsWith('/') ? file : `${base}/${file}`,
      )
      return [key, source]
    })

  test('tells the same words of two registries apart where they mean two things', () => {
    expect(keys('/one')).toEqual([
      'sops:/one/s.yaml#/a',
      'age:/one/a.age',
      'file:/one/f',
      'env:E',
      '{"command":["./get","x"]} in /one/.',
    ])
    expect(keys('/two').filter((key, index) => key === keys('/one')[index])).toEqual(['env:E'])
  })

  test('tells the accounts of 1Password apart by where their tokens are', () => {
    const account = '1password by file:/base/token'
    expect(opKeys('file:token')).toEqual([
      [`op://v/i/f of ${account}`, account],
      [`op-env:id of ${account}`, account],
    ])
    expect(opKeys('file:/base/token', '/elsewhere')).toEqual(opKeys('file:token'))
    const others = ['env:T', 'file:other', 'sops:token', { command: ['token'] }].map((token) => opKeys(token)[0]?.[0])
    expect(new Set([...others, opKeys('file:token')[0]?.[0]]).size).toBe(5)
    expect(opKeys({ command: ['./token'] }, '/one')).not.toEqual(opKeys({ command: ['./token'] }, '/two'))
  })

  test.each([
    ["sops:$&-$'.yaml#/a", "sops:/base/$&-$'.yaml#/a"],
    ['sops:s#/a', 'sops:/base/s#/a'],
    ['age:a', 'age:/base/a'],
  ])('of %s has the file made absolute, and nothing else', (from, key) => {
    expect(item(from, undefined).key).toBe(key)
  })
})
