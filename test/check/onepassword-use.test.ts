import { describe, expect, test } from 'vitest'
import { onepasswordUse } from '../../src/check/onepassword-use.ts'
import { parseRegistry } from '../../src/registry/load.ts'
import { testWorld } from '../world.ts'

function use(cache: object, ...servers: Record<string, unknown>[]) {
  const entries = servers.map((secrets, index) => [`s${index}`, { command: 'true', secrets }])
  const registry = parseRegistry(
    Buffer.from(JSON.stringify({ cache, servers: Object.fromEntries(entries) })),
    '/r.json',
  )
  const context = { registryPath: registry.path, settings: registry.settings }
  return onepasswordUse(testWorld(), context, [...registry.servers.values()])
}

const many = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`A${index}`, `op://v/i/f${index}`]))

describe('what 1Password is asked in a day', () => {
  test('nothing without it', () => {
    expect(use({ ttl: '4h' }, { A: 'env:A' })).toBeUndefined()
  })

  test('one request for all references, as often as they are renewed', () => {
    const found = use({ ttl: '4h' }, { A: 'op://v/i/a', B: 'op://v/i/b' }, { A: 'op://v/i/a' })
    expect(found).toMatchObject({ severity: 'note', subject: '1password' })
    expect(found?.why).toMatch(/^at most 8 requests a day for 2 references \(16 reads\), and none for restarts; plans /)
  })

  test('a time to live of its own is a request of its own; one-time passwords are asked for at every start', () => {
    const secrets = { A: 'op://v/i/a', B: { from: 'op://v/i/b', cache: '1h' }, C: 'op://v/i/c?attribute=otp' }
    const why = use({ ttl: '4h' }, secrets)?.why
    expect(why).toMatch(/^at most 40 requests a day for 2 references \(40 reads\)/)
    expect(why).toContain('one more at every start for op://v/i/c?attribute=otp')
  })

  test('more than the smallest plan allows is a warning that tells what to do', () => {
    expect(use({ ttl: '1h' }, many)).toMatchObject({ severity: 'warning', action: expect.stringContaining('"ttl"') })
    expect(use({ ttl: '8h' }, many)).toMatchObject({ severity: 'note' })
  })
})
