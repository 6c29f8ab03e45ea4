import { expect, test } from 'vitest'
import { span } from '../src/span.ts'

test.each([
  [0, '0 s'],
  [999, '0 s'],
  [61_000, '1 min'],
  [3 * 3_600_000, '3 h'],
  [49 * 3_600_000, '2 d'],
  [-300_000, '0 s'],
  [-300_001, 'an unknown time'],
])('%d ms is %s', (milliseconds, text) => {
  expect(span(milliseconds)).toBe(text)
})
