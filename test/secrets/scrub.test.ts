import fc from 'fast-check'
import { expect, test } from 'vitest'
import { scrub } from '../../src/secrets/scrub.ts'
import { Secret } from '../../src/secrets/secret.ts'

const CANARY = 'sunny-with-a-chance-of-tokens'
const ENCODED = [
  CANARY,
  Buffer.from(CANARY).toString('base64'),
  Buffer.from(CANARY).toString('base64url'),
  Buffer.from(`user:${CANARY}`).toString('base64'),
  Buffer.from(CANARY).toString('hex'),
  encodeURIComponent(CANARY),
  [...CANARY].map((letter) => `%${letter.charCodeAt(0).toString(16)}`).join(''),
  CANARY.slice(0, 12),
  CANARY.slice(-8),
]

test.each(ENCODED)('%s is seen in whatever stands around it', (form) => {
  for (const text of [form, `token=${form}`, `"${form}",`, `at line 3: ${form} is bad`, `Basic ${form}`]) {
    const clean = scrub(text, [new Secret(CANARY)])
    expect(clean).toContain('[redacted]')
    expect(clean).not.toContain(form)
  }
})

test('words that have nothing of a secret stay', () => {
  const text = 'Error: connect ECONNREFUSED 127.0.0.1:5432\n    at /usr/lib/node_modules/db/index.js:12:5'
  expect(scrub(text, [new Secret(CANARY)])).toBe(text)
})

test('a short value is hidden where it stands whole', () => {
  expect(scrub('pin 4711 of 47', [new Secret('4711')])).toBe('pin [redacted] of 47')
  expect(scrub('größe', [new Secret('öß')])).toBe('gr[redacted]e')
})

test('what moves, hides or reorders text goes, and can’t split a secret', () => {
  const split = `a\u001b[31m${CANARY.slice(0, 9)}\u001b[0m${CANARY.slice(9)}\u0007b\u202ec\u001b]0;title\u0007\r\nd`
  expect(scrub(split, [new Secret(CANARY)])).toBe('a[redacted] b c\nd')
})

test('no part of six characters of any secret is left', () => {
  const value = fc.string({ minLength: 6, maxLength: 40, unit: 'grapheme-ascii' }).filter((it) => it.trim() === it)
  fc.assert(
    fc.property(value, fc.string(), fc.string(), (secret, before, after) => {
      const clean = scrub(`${before}${secret}${after}`, [new Secret(secret)]).replaceAll('[redacted]', '\n')
      for (let start = 0; start + 6 <= secret.length; start += 1) {
        expect(clean).not.toContain(secret.slice(start, start + 6))
      }
    }),
  )
})
