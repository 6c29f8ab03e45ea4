import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { NeedsSopsProgram } from '../../../src/secrets/sops/hand-over.ts'
import { parseJson } from '../../../src/secrets/sops/json.ts'
import { goFloat, goInt, goNumber } from '../../../src/secrets/sops/number.ts'
import { ruleOf } from '../../../src/secrets/sops/rule.ts'
import type { MapOf, Scalar, Tree } from '../../../src/secrets/sops/tree.ts'

function plain(tree: Tree<Scalar>): unknown {
  if (tree.kind === 'map') return Object.fromEntries(tree.entries.map(({ key, value }) => [key, plain(value)]))
  if (tree.kind === 'list') return tree.items.map(plain)
  const { type, text } = tree.leaf
  if (type === 'null') return null
  if (type === 'bool') return text === 'true'
  return type === 'number' ? Number(text) : text
}

describe('JSON in file order', () => {
  it('is what JSON.parse says, for any JSON', () => {
    fc.assert(
      fc.property(fc.json(), fc.constantFrom(undefined, 1, '\t'), (text, indent) => {
        const again = JSON.stringify(JSON.parse(text), undefined, indent)
        const tree = parseJson(again)
        expect(tree && plain(tree)).toEqual(JSON.parse(again.replaceAll('-0', '-0')))
      }),
    )
  })

  it('is nothing for anything else', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        let isJson = true
        try {
          JSON.parse(text)
        } catch {
          isJson = false
        }
        expect(parseJson(text) !== undefined).toBe(isJson)
      }),
    )
  })

  it('keeps order and large integers, and refuses duplicates', () => {
    const tree = parseJson('{"b": 9007199254740993, "10": 1, "9": "x\\"\\\\", "__proto__": {"a": []}}')
    expect(tree).toMatchObject({
      entries: [
        { key: 'b', value: { leaf: { text: '9007199254740993' } } },
        { key: '10' },
        { key: '9', value: { leaf: { text: 'x"\\' } } },
        { key: '__proto__', value: { entries: [{ key: 'a', value: { items: [] } }] } },
      ],
    })
    expect(() => parseJson('{"a": 1, "\\u0061": 2}')).toThrow('the key "a" is there twice')
  })

  it('reads a string of a million escapes', () => {
    const text = '"\\'.repeat(1_000_000)
    expect(parseJson(JSON.stringify(text))).toEqual({ kind: 'leaf', leaf: { type: 'text', text } })
  })
})

describe("numbers as Go's strconv writes them", () => {
  it.each([
    ['1.5e+25', '15000000000000000000000000'],
    ['1e21', '1000000000000000000000'],
    ['1.25e-9', '0.00000000125'],
    ['-1e-7', '-0.0000001'],
    ['0.1', '0.1'],
    ['5.0', '5'],
    ['1e400', undefined],
    ['-0.0', '-0'],
    ['.5', '0.5'],
    ['5.', '5'],
    ['+Inf', '+Inf'],
    ['-inf', '-Inf'],
    ['NaN', 'NaN'],
    ['0x10', undefined],
    ['', undefined],
    ['1_000', undefined],
  ])('float %s', (text, expected) => {
    expect(goFloat(text)).toBe(expected)
  })

  it.each([
    ['0123', '123'],
    ['+5', '5'],
    ['-0', '0'],
    ['9223372036854775807', '9223372036854775807'],
    ['9223372036854775808', undefined],
    ['1.0', undefined],
    ['', undefined],
  ])('int %s', (text, expected) => {
    expect(goInt(text)).toBe(expected)
  })

  it('a float keeps its value and shows no exponent', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const text = goFloat(String(value)) ?? ''
        expect(text).toMatch(/^-?\d+(\.\d+)?$/)
        expect(Number(text)).toBe(Object.is(value, -0) ? 0 : value)
      }),
    )
  })

  it('an integer beyond 64 bits is a float', () => {
    expect(goNumber('12345678901234567890')).toBe('12345678901234567000')
  })
})

describe('rules', () => {
  it.each<[Record<string, string>, readonly string[], boolean]>([
    [{}, ['a'], true],
    [{}, ['a_unencrypted', 'b'], false],
    [{ unencrypted_suffix: '_x' }, ['a_x'], false],
    [{ unencrypted_suffix: '_x' }, ['a_unencrypted'], true],
    [{ encrypted_suffix: '_x' }, ['a_x', 'b'], true],
    [{ encrypted_suffix: '_x' }, ['a'], false],
    [{ encrypted_regex: '^(data|stringData)$' }, ['data', 'k'], true],
    [{ encrypted_regex: '^(data|stringData)$' }, ['metadata'], false],
    [{ encrypted_regex: '(?i)pass' }, ['PassWord'], true],
    [{ encrypted_regex: 'pass' }, ['PassWord'], false],
    [{ unencrypted_regex: '^(host|port)$' }, ['host'], false],
    [{ unencrypted_regex: '^(host|port)$' }, ['hosts'], true],
    [{ encrypted_regex: '[a-z_]{2,}key\\.' }, ['xxkey.'], true],
    [{ encrypted_regex: '', unencrypted_suffix: '' }, ['a_unencrypted'], false],
  ])('%j at %j', (metadata, path, encrypted) => {
    expect(ruleOf(mapOf(metadata))(path)).toBe(encrypted)
  })

  it.each([
    '(?P<name>x)',
    '\\Qx\\E',
    '\\pL',
    '\\z',
    '[[:alpha:]]',
    '(?=x)',
    '(?!x)',
    '(x)\\1',
    '\\s',
    '(a+)+$',
    '(a|aa)*b',
    'x(?i)y',
    'é',
    'x'.repeat(501),
    '(',
    '[z-a]',
  ])('%j is left to SOPS', (pattern) => {
    expect(() => ruleOf(mapOf({ encrypted_regex: pattern }))).toThrow(NeedsSopsProgram)
  })

  it('comments are left to SOPS, and two rules to nobody', () => {
    expect(() => ruleOf(mapOf({ encrypted_comment_regex: 'x' }))).toThrow(NeedsSopsProgram)
    expect(() => ruleOf(mapOf({ unencrypted_comment_regex: 'x' }))).toThrow(NeedsSopsProgram)
    expect(() => ruleOf(mapOf({ encrypted_regex: 'x', encrypted_suffix: 'y' }))).toThrow('it has both')
  })
})

function mapOf(metadata: Record<string, string>): MapOf<Scalar> {
  const entries = Object.entries(metadata).map(([key, text]) => ({
    key,
    value: { kind: 'leaf' as const, leaf: { type: 'text' as const, text } },
  }))
  return { kind: 'map', entries }
}
