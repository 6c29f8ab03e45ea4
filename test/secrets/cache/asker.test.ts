import { expect, test } from 'vitest'
import { askerOf } from '../../../src/secrets/cache/asker.ts'
import { testWorld } from '../../world.ts'

const { sha256 } = testWorld()
const USUAL = { PATH: '/bin', HOME: '/home/me', DISPLAY: ':0', TRACEPARENT: '1' }
const asker = (env: Record<string, string>) => askerOf({ env, sha256 })

test.each([
  ['another PATH', { ...USUAL, PATH: '/usr/bin' }],
  ['another HOME', { ...USUAL, HOME: '/root' }],
  ['one variable more', { ...USUAL, VAULT_ADDR: 'https://vault' }],
  ['one that is empty', { ...USUAL, DISPLAY: '' }],
])('%s is another asker', (_, env) => {
  expect(asker(env)).not.toBe(asker(USUAL))
})

test.each([
  ['the order', Object.fromEntries(Object.entries(USUAL).reverse())],
  ["a session's or a trace's value", { ...USUAL, TRACEPARENT: '2' }],
  ['an empty variable', { ...USUAL, EMPTY: '' }],
  ['what a shell takes away', { ...USUAL, PS1: '$ ', 'BASH_FUNC_f%%': '() { :; }', 'a.b': 'x', DYLD_X: 'y' }],
  ['what a shell adds', { ...USUAL, PWD: '/', OLDPWD: '/tmp', SHLVL: '1', _: '/usr/bin/env' }],
])('%s makes no difference', (_, env) => {
  expect(asker(env)).toBe(asker(USUAL))
})
