import { describe, expect, test } from 'vitest'
import { LaunchError } from '../../../src/errors.ts'
import { blockAfter, isBlocked, refusalOf } from '../../../src/secrets/cache/cooldown.ts'
import type { Block } from '../../../src/secrets/cache/meta.ts'
import { type Refusal, SourceError } from '../../../src/secrets/source.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const NOW = 1_800_000_000_000

const refused = (refusal: Refusal) => new SourceError(refusal, { what: refusal, hint: 'wait' })
const failed = new LaunchError('failure', { what: 'failed' })

/** How long each of this many refusals in a row blocks, in minutes. */
function times(error: LaunchError, count: number): number[] {
  let block: Block | undefined
  return Array.from({ length: count }, () => {
    block = blockAfter(block, error, NOW)
    return (block.until - NOW) / MINUTE
  })
}

describe('a block', () => {
  test.each([
    ['said-no', refused('said-no'), [15, 15, 15]],
    ['token-rejected', refused('token-rejected'), [60, 60, 60]],
    ['rate-limited', refused('rate-limited'), [15, 30, 60, 120, 240, 480, 720, 720]],
    ['unavailable', refused('unavailable'), [1, 2, 4, 8, 15, 15]],
    ['a failed command', failed, [1, 2, 4, 8, 15, 15]],
    ['a command that timed out', new LaunchError('unavailable', { what: 'slow' }), [1, 2, 4, 8, 15, 15]],
  ])('grows: %s', (_, error, minutes) => {
    expect(times(error, minutes.length)).toEqual(minutes)
  })

  test('stays at its longest for any number of failures', () => {
    expect(times(refused('rate-limited'), 2_000).at(-1)).toBe(720)
  })

  test('begins anew when something else goes wrong', () => {
    const first = blockAfter(blockAfter(undefined, failed, NOW), failed, NOW + 1)
    expect(first).toMatchObject({ failures: 2, since: NOW })
    expect(blockAfter(first, refused('unavailable'), NOW + 2)).toMatchObject({
      refusal: 'unavailable',
      failures: 1,
      since: NOW + 2,
      until: NOW + 2 + MINUTE,
    })
  })

  test('keeps the message and the hint, and the token if there is one', () => {
    expect(blockAfter(undefined, refused('token-rejected'), NOW, 'print')).toEqual({
      refusal: 'token-rejected',
      message: 'token-rejected',
      hint: 'wait',
      since: NOW,
      at: NOW,
      until: NOW + HOUR,
      failures: 1,
      tokenPrint: 'print',
    })
    expect(blockAfter(undefined, failed, NOW)).not.toHaveProperty('hint')
  })
})

describe('holds', () => {
  const block = blockAfter(undefined, refused('token-rejected'), NOW, 'old')
  test.each<[string, Block | undefined, number, string | undefined, boolean]>([
    ['not, if there is none', undefined, NOW, undefined, false],
    ['at once', block, NOW, 'old', true],
    ['until one moment before its end', block, NOW + HOUR - 1, 'old', true],
    ['not at its end', block, NOW + HOUR, 'old', false],
    ['not for another token', block, NOW + 1, 'new', false],
    ['where the token is not known', block, NOW + 1, undefined, true],
    ['not after the clock was set back', block, NOW - 1, 'old', false],
    ['not after the clock was set back by a year', block, NOW - 365 * 24 * HOUR, 'old', false],
    ['not after the clock was set forward', block, NOW + 365 * 24 * HOUR, 'old', false],
    ['for any token, if it was not about one', blockAfter(undefined, failed, NOW), NOW + 1, 'new', true],
    ['not, if its kind is a part of objects', { ...block, refusal: 'constructor' as Refusal }, NOW + 1, 'old', false],
    ['not, if its kind is unknown', { ...block, refusal: 'new' as Refusal }, NOW + 1, 'old', false],
  ])('%s', (_, one, now, print, expected) => {
    expect(isBlocked(one, now, print)).toBe(expected)
  })

  test('a longer one that the clock was set back in, no longer than the longest', () => {
    const unavailable = blockAfter(undefined, refused('unavailable'), NOW)
    expect(isBlocked(unavailable, NOW - 14 * MINUTE)).toBe(true)
    expect(isBlocked(unavailable, NOW - 14 * MINUTE - 1)).toBe(false)
  })
})

test('refusals are told from other errors', () => {
  expect(refusalOf(refused('said-no'))).toBe('said-no')
  expect(refusalOf(new LaunchError('unavailable', { what: 'x' }))).toBe('unavailable')
  expect(refusalOf(failed)).toBe('failure')
})
