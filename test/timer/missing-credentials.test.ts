import { expect, test } from 'vitest'
import type { Settings } from '../../src/registry/entry.ts'
import { parseRef } from '../../src/secrets/parse-ref.ts'
import { missingCredentials } from '../../src/timer/missing-credentials.ts'

const settings = (token: string): Settings => ({
  onepassword: { token: parseRef(token) },
  cache: { ttlMs: 1, stale: 'warn', maxStaleMs: 1, resolveTimeoutMs: 1 },
})
const refs = (...texts: string[]) => texts.map((text) => ({ ref: parseRef(text) }))
const OP = 'op://v/i/f'

test.each([
  [
    'a token in a variable',
    refs(OP),
    'env:OP_SERVICE_ACCOUNT_TOKEN',
    {},
    ['the timer has no OP_SERVICE_ACCOUNT_TOKEN'],
  ],
  ['a token in a file', refs(OP), 'file:~/token', { OP_SERVICE_ACCOUNT_TOKEN: 'x' }, []],
  ['nothing from 1password', refs('sops:a#/b'), 'env:OP_SERVICE_ACCOUNT_TOKEN', {}, []],
  ['an age key in a variable', refs('sops:a#/b'), 'env:T', { SOPS_AGE_KEY: 'x' }, ['the timer has no SOPS_AGE_KEY:']],
  [
    'an age key in a command',
    refs('age:a'),
    'env:T',
    { SOPS_AGE_KEY_CMD: 'x' },
    ['the timer has no SOPS_AGE_KEY_CMD:'],
  ],
  ['an age key that nobody needs', refs('env:A'), 'env:T', { SOPS_AGE_KEY: 'x' }, ['the timer has no A:']],
  [
    'a token in a variable, for a whole environment',
    [{ ref: { kind: 'op-env', id: 'abc', text: 'op-env:abc' } as const }],
    'env:T',
    {},
    ['the timer has no T,'],
  ],
  ['a token that an age key opens', refs(OP), 'sops:a#/b', { SOPS_AGE_KEY: 'x' }, ['the timer has no SOPS_AGE_KEY:']],
  ['such a token that nobody needs', refs('env:A'), 'sops:a#/b', { SOPS_AGE_KEY: 'x' }, ['the timer has no A:']],
  [
    'commands, once',
    [...refs('env:A'), { ref: parseRef({ command: ['a'] }) }, { ref: parseRef({ command: ['b'] }) }],
    'env:T',
    {},
    ['the timer has no A:', 'commands that the timer runs have of your variables HOME, PATH: what needs another fails'],
  ],
  [
    'a password in a proxy',
    [],
    'env:T',
    { https_proxy: 'http://me:canary@proxy', HTTP_PROXY: 'http://proxy' },
    ['the timer has no https_proxy, as there may be a password in it'],
  ],
  ['a cached variable', refs('env:A', 'env:A'), 'env:T', {}, ['the timer has no A:']],
])('%s', (_, items, token, env, beginnings) => {
  const notes = missingCredentials(items, settings(token), env as Record<string, string>, ['HOME', 'PATH'])
  expect(notes).toHaveLength(beginnings.length)
  for (const [index, beginning] of beginnings.entries()) expect(notes[index]).toContain(beginning)
  expect(notes.join('')).not.toMatch(/"x"|canary/)
})
