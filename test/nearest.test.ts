import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { didYouMean, editDistance, nearest } from '../src/nearest.ts'

describe('nearest', () => {
  it.each([
    ['comand', ['command', 'args', 'env'], ['command']],
    ['memory_max', ['memoryMax', 'memoryHigh'], ['memoryMax']],
    ['SCOPE', ['scope', 'slice'], ['scope']],
    ['gihtub', ['github', 'gitlab', 'exa'], ['github']],
    ['ex', ['exa', 'github'], ['exa']],
    ['gh', ['gl', 'git'], []],
    ['zzz', ['command'], []],
    ['', ['a', ''], []],
    ['servera', ['server1', 'server2', 'server3', 'server4'], ['server1', 'server2', 'server3']],
  ])('%s', (word, candidates, expected) => {
    expect(nearest(word, candidates)).toEqual(expected)
  })

  it('does not measure a word of a million letters', () => {
    expect(nearest('a'.repeat(1_000_000), ['a'.repeat(1_000_000)])).toEqual([])
  })
})

it.each([
  ['abc', 'abc', 0],
  ['abc', 'acb', 1],
  ['abc', 'ab', 1],
  ['', 'abc', 3],
  ['kitten', 'sitting', 3],
  ['ca', 'abc', 3],
])('the distance of %s and %s is %i', (from, to, distance) => {
  expect(editDistance(from, to)).toBe(distance)
  expect(editDistance(to, from)).toBe(distance)
})

it('one edit is a distance of one at most', () => {
  fc.assert(
    fc.property(
      fc.string({ minLength: 1, maxLength: 20 }),
      fc.nat(),
      fc.constantFrom('', 'x', 'xy'),
      (word, at, put) => {
        const place = at % word.length
        const edited = word.slice(0, place) + put + word.slice(place + 1)
        expect(editDistance(word, edited)).toBeLessThanOrEqual(put === 'xy' ? 2 : 1)
      },
    ),
  )
})

it('names three at most in one hint', () => {
  expect(didYouMean('serverx', ['server1', 'server2', 'server3', 'server4'])).toBe(
    'did you mean "server1", "server2" or "server3"?',
  )
  expect(didYouMean('comand', ['command'])).toBe('did you mean "command"?')
  expect(didYouMean('xyz', ['command'])).toBeUndefined()
})
