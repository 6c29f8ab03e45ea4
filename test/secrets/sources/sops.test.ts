import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Outcome } from '../../../src/secrets/source.ts'
import { sopsSource } from '../../../src/secrets/sources/sops.ts'
import {
  expectValue,
  FIXTURES,
  FOR_THE_PROGRAM,
  fixture,
  KEYS,
  type Leaf,
  leavesOf,
  refusalOf,
  resolveAll,
  resolveOne,
  reveal,
  temporaryDirectory,
  withAllKeys,
  withMainKey,
  worldWith,
  write,
} from '../../fixtures/sops/fixtures.ts'

const own = FIXTURES.filter(({ name }) => !FOR_THE_PROGRAM.test(name))

describe('every leaf is what the real sops says', () => {
  it.each(own.filter(({ isBinary }) => !isBinary))('$name', async ({ path, name, expected }) => {
    const leaves = leavesOf(expected.toString())
    const outcomes = await resolveAll(
      withAllKeys,
      path,
      leaves.map(({ pointer }) => pointer),
    )
    expect(leaves.length).toBeGreaterThan(1)
    for (const [index, leaf] of leaves.entries()) {
      const refused = refusedBecause(name, leaf)
      if (refused === undefined) expectValue(outcomes[index], leaf)
      else expect(refusalOf(outcomes[index]).text, leaf.pointer.join('/')).toContain(refused)
    }
  })

  it.each(own.filter(({ name }) => name.endsWith('token.txt')))('$name', async ({ path, expected }) => {
    expect(expected.toString()).toBe('canary-binary-token\n')
    expect(reveal(await resolveOne(withMainKey, path))).toBe('canary-binary-token')
    expect(reveal(await resolveOne(withMainKey, path, ['data']))).toBe('canary-binary-token\n')
  })

  it.each(own.filter(({ name }) => name.endsWith('bytes.bin')))('$name is no text', async ({ path, expected }) => {
    expect(expected.includes(0xff)).toBe(true)
    for (const pointer of [undefined, ['data']]) {
      const refusal = refusalOf(await resolveOne(withMainKey, path, pointer))
      expect(refusal.text).toMatch(/: the value is not text \(UTF-8\)$/)
    }
  })
})

function refusedBecause(name: string, leaf: Leaf): string | undefined {
  if (leaf.value === null) return ': there is null'
  if (leaf.value === '') return 'an empty text, which SOPS does not protect'
  const uncovered = name.includes('mac-only') && !encryptedInMacOnly(name, leaf)
  return uncovered ? 'in clear in a file with mac_only_encrypted' : undefined
}

/** By the rules that make.mjs gave: `--unencrypted-suffix _PLAIN` and `--encrypted-regex 'token|secret'`. */
function encryptedInMacOnly(name: string, { pointer }: Leaf): boolean {
  return name.endsWith('.env') ? pointer[0] !== 'HOST_PLAIN' : pointer.some((key) => /token|secret/.test(key))
}

describe('references', () => {
  it('answers for sops references alone, keyed by their text, relative to the base directory and to home', async () => {
    const { path } = fixture('v3.13.3/second-key.yaml')
    const world = worldWith({ SOPS_AGE_KEY: KEYS.second.identity, HOME: dirname(path) })
    const outcomes = await sopsSource(world, dirname(path)).resolve(
      [
        { kind: 'sops', file: 'second-key.yaml', pointer: ['token'], text: 'one' },
        { kind: 'sops', file: '~/second-key.yaml', pointer: ['nested', 'key'], text: 'two' },
        { kind: 'age', file: 'second-key.yaml', text: 'three' },
        { kind: 'env', name: 'X', text: 'four' },
      ],
      world.now() + 10_000,
    )
    expect([...outcomes.keys()].sort()).toEqual(['one', 'two'])
    expect(['one', 'two'].map((text) => reveal(outcomes.get(text) as Outcome))).toEqual([
      'canary-small-token',
      'canary-small-nested',
    ])
  })

  it('reads and decrypts a file once, and gives one error object for all references into it', async () => {
    const reads: string[] = []
    const read = (path: string): Buffer => {
      reads.push(path)
      return readFileSync(path)
    }
    const world = { ...withMainKey, files: { ...withMainKey.files, read } }
    const good = fixture('v3.13.3/types.yaml').path
    const outcomes = await resolveAll(world, good, [['text'], ['int'], ['bool']])
    expect(outcomes.map(reveal)).toEqual(['canary-text-7f3a', '42', 'true'])
    const bad = await resolveAll(world, fixture('v3.13.3/second-key.yaml').path, [['token'], ['nested', 'key']])
    expect(bad[0]).toBe(bad[1])
    expect(refusalOf(bad[0]).code).toBe('failure')
    expect(reads).toHaveLength(2)
  })

  it.each<[string, readonly string[], RegExp, string]>([
    [
      'a map',
      ['mcp', 'exa'],
      /: a map is there, not one value: it has "api_key", "nested"$/,
      'point at one value, as "#/mcp/exa/api_key"',
    ],
    [
      'a list',
      ['mcp', 'list'],
      /: a list is there, not one value: it has the indices 0 to 4$/,
      'point at one value, as "#/mcp/list/0"',
    ],
    [
      'an empty map',
      ['empty_map'],
      /: a map is there, not one value: it is empty$/,
      'point at one value, as "#/empty_map/KEY"',
    ],
    [
      'a typo',
      ['mcp', 'exa', 'apikey'],
      /there is no "apikey" in "\/mcp\/exa": it has "api_key", "nested"$/,
      'did you mean "#/mcp/exa/api_key"?',
    ],
    [
      'nothing like it',
      ['qqqqqq'],
      /there is no "qqqqqq" in the file: it has "text", "spaces", .* and more$/,
      'point at a key that is there',
    ],
    ['below a value', ['text', 'more'], /"\/text" is one value, with nothing below it$/, 'point at "#/text"'],
    [
      'an index too high',
      ['mcp', 'list', '5'],
      /there is no "5" in "\/mcp\/list": it has the indices 0 to 4$/,
      'point at a key that is there',
    ],
    ['an index with a zero', ['mcp', 'list', '00'], /there is no "00"/, 'point at a key that is there'],
    ['a property of objects', ['constructor'], /there is no "constructor" in the file/, 'point at a key that is there'],
    ['the metadata', ['sops', 'mac'], /there is no "sops" in the file/, 'point at a key that is there'],
  ])('points at %s', async (_what, pointer, text, hint) => {
    const refusal = refusalOf(await resolveOne(withMainKey, fixture('v3.13.3/types.yaml').path, pointer))
    expect(refusal.text).toMatch(/^can't resolve "sops:/)
    expect(refusal.text).toMatch(text)
    expect(refusal.hint).toBe(hint)
  })

  it('needs a pointer, except for a binary file', async () => {
    const refusal = refusalOf(await resolveOne(withMainKey, fixture('v3.13.3/app.env').path))
    expect(refusal.text).toContain('the file has many values: it has "TOKEN", "SPACED"')
    expect(refusal.hint).toBe('point at one value, as "#/TOKEN"')
  })
})

describe('files that are none', () => {
  it.each<[string, string, string]>([
    ['a.yaml', 'token: canary\n', 'it is not a SOPS file'],
    ['a.yaml', '', 'it is not a SOPS file'],
    ['a.yaml', '- canary\n', 'it is not a SOPS file'],
    ['a.yaml', 'a: canary\nb: [canary\n', 'it is not valid YAML (line 3)'],
    ['a.yaml', 'a: canary\na: canary\n', 'the key "a" is there twice'],
    ['a.yaml', '1: canary\n', 'it has a key that is not text'],
    ['a.yaml', '[[[['.repeat(20_000), 'it is '],
    ['a.json', '{"canary": 1', 'it is not a SOPS file'],
    ['a.json', '{"a": "canary", "a": "canary"}', 'the key "a" is there twice'],
    ['a.json', '["canary"]', 'it is not a SOPS file'],
    ['a.env', 'canary\n', 'it has a line without "="'],
    ['a.env', 'A=canary\nA=canary\n', 'the key "A" is there twice'],
    ['a.env', 'A=canary\n', 'it is not a SOPS file'],
    ['a.txt', 'canary', 'it is not a SOPS file: with this name SOPS wants its JSON form'],
    ['a.yaml', 'a: canary\nsops: {}\n', 'its metadata name no key'],
    ['a.yaml', 'a: canary\nsops: canary\n', 'it is not a SOPS file'],
  ])('%s %#', async (name, content, why) => {
    const path = write(temporaryDirectory(), name, content)
    const refusal = refusalOf(await resolveOne(withMainKey, path, ['a']))
    expect(refusal.text).toContain(`can't decrypt "${path}": ${why}`)
    expect(refusal.code).toBe('failure')
  })

  it('invalid UTF-8, a directory, nothing at all, too much', async () => {
    const directory = temporaryDirectory()
    const bytes = write(directory, 'bytes.yaml', Buffer.from([0x61, 0x3a, 0xff, 0xfe]))
    expect(refusalOf(await resolveOne(withMainKey, bytes, ['a'])).text).toContain(': it is not a SOPS file')
    expect(refusalOf(await resolveOne(withMainKey, directory, ['a'])).text).toContain(': is a directory')
    expect(refusalOf(await resolveOne(withMainKey, join(directory, 'no.yaml'), ['a'])).text).toContain(': no such file')
    const large = write(directory, 'large.yaml', 'a'.repeat(4 * 1024 * 1024 + 1))
    expect(refusalOf(await resolveOne(withMainKey, large, ['a'])).text).toContain(': it is larger than 4 MiB')
  })

  it('a home directory that is not known', async () => {
    const world = worldWith({ HOME: '' })
    expect(refusalOf(await resolveOne(world, '~/a.yaml', ['a'])).text).toContain('home directory')
  })
})
