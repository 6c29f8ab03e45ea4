import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatRef, parseRef, RefError, type RefParts } from '../../src/secrets/parse-ref.ts'

function refusal(value: unknown): string {
  try {
    return `no error: ${JSON.stringify(parseRef(value))}`
  } catch (error) {
    if (!(error instanceof RefError)) throw error
    return error.message
  }
}

describe('parseRef', () => {
  it.each([
    ['op://Developer/GitHub/token', { kind: 'op', vault: 'Developer', item: 'GitHub', field: 'token' }],
    ['op://My Vault/a.b_c-d/S 1/f', { kind: 'op', vault: 'My Vault', item: 'a.b_c-d', section: 'S 1', field: 'f' }],
    ['op://v/i/f?attribute=otp', { kind: 'op', vault: 'v', item: 'i', field: 'f', attribute: 'otp' }],
    ['op://v/i/f?attribute=totp', { kind: 'op', vault: 'v', item: 'i', field: 'f', attribute: 'totp' }],
    ['op://v/i/f?ssh-format=openssh', { kind: 'op', vault: 'v', item: 'i', field: 'f', sshFormat: 'openssh' }],
    ['sops:a/b.yaml#/mcp/exa', { kind: 'sops', file: 'a/b.yaml', pointer: ['mcp', 'exa'] }],
    ['sops:b.yaml#/a~1b/c~0d/~01/0', { kind: 'sops', file: 'b.yaml', pointer: ['a/b', 'c~d', '~1', '0'] }],
    ['sops:key.bin', { kind: 'sops', file: 'key.bin', pointer: undefined }],
    ['age:secrets/x.age', { kind: 'age', file: 'secrets/x.age' }],
    ['file:~/.config/op/token', { kind: 'file', file: '~/.config/op/token' }],
    ['file:/a#b', { kind: 'file', file: '/a#b' }],
    ['env:MY_TOKEN', { kind: 'env', name: 'MY_TOKEN' }],
  ])('%s', (text, parts) => {
    expect(parseRef(text)).toEqual({ ...parts, text })
  })

  it('a command', () => {
    const ref = parseRef({ command: ['pass', 'show', 'a b'] })
    expect(ref).toEqual({ kind: 'command', argv: ['pass', 'show', 'a b'], text: '{"command":["pass","show","a b"]}' })
  })

  it.each([
    ['op:v/i/f', 'has no // after op:'],
    ['op://', 'has an empty part'],
    ['op://v', 'has 1 part after op://'],
    ['op://v/i', 'has 2 parts after op://'],
    ['op://v/i/s/f/x', 'has 5 parts after op://'],
    ['op://v/i/f/', 'has an empty part'],
    ['op://v//f', 'has an empty part'],
    ['op:// v/i/f', 'has a space at the start or the end of a part'],
    ['op://v/i/f ', 'has a space at the start or the end of a part'],
    ['op://v/ï/f', 'has a character that 1Password references do not take'],
    ['op://v/i/f%20x', 'has a character that 1Password references do not take'],
    ['op://v/i/f?attribute=title', 'has an unknown query'],
    ['op://v/i/f?', 'has an unknown query'],
    ['op://v/i/f?attribute=otp&ssh-format=openssh', 'has an unknown query'],
    ['sops:', 'names no file'],
    ['sops:#/a', 'names no file'],
    ['sops:f#', 'has no / after #'],
    ['sops:f#a', 'has no / after #'],
    ['sops:f#/', 'has an empty key after #'],
    ['sops:f#/a/', 'has an empty key after #'],
    ['sops:f#/a~2', 'has a ~ that is neither ~0 nor ~1'],
    ['sops:f#/a~', 'has a ~ that is neither ~0 nor ~1'],
    ['age:', 'names no file'],
    ['file:', 'names no file'],
    ['file: /x', 'has a space at the start or the end of its path'],
    ['file:/x ', 'has a space at the start or the end of its path'],
    ['file:///run/x', 'takes a path, not a URL'],
    ['file:a\0b', 'has a NUL character in its path'],
    ['env:', 'names no environment variable'],
    ['env:A B', 'names no environment variable'],
    ['env:1A', 'names no environment variable'],
    [{ command: 'pass show x' }, 'has a command that is no list of words'],
    [{ command: [1] }, 'has a command that is no list of words'],
    [{ command: [] }, 'has a command without a program'],
    [{ command: [''] }, 'has a command without a program'],
    [{ command: ['a\0'] }, 'has a NUL character in its command'],
  ])('%j %s', (value, why) => {
    expect(refusal(value)).toBe(why)
  })

  it.each(['', 'secret', 'OP://v/i/f', ' env:A', 'vault:x', 'https://x', null, 1, [], {}, { command: ['a'], as: 'x' }])(
    '%j is no reference',
    (value) => expect(refusal(value)).toMatch(/^is not a reference/),
  )
})

const opPart = fc.stringMatching(/^[A-Za-z0-9_.-]([A-Za-z0-9_. -]{0,8}[A-Za-z0-9_.-])?$/)
const path = fc
  .string({ minLength: 1, unit: 'grapheme' })
  .filter((text) => text === text.trim() && !text.startsWith('//') && !text.includes('\0'))
const step = fc.oneof(
  fc.string({ minLength: 1 }),
  fc.string({ minLength: 1, unit: fc.constantFrom('~', '/', '0', '1') }),
)
const word = fc.string().filter((text) => !text.includes('\0'))

const anyRef: fc.Arbitrary<RefParts> = fc.oneof(
  fc.record(
    {
      kind: fc.constant('op' as const),
      vault: opPart,
      item: opPart,
      section: opPart,
      field: opPart,
      attribute: fc.constantFrom('otp' as const, 'totp' as const),
    },
    { requiredKeys: ['kind', 'vault', 'item', 'field'] },
  ),
  fc.record({
    kind: fc.constant('op' as const),
    vault: opPart,
    item: opPart,
    field: opPart,
    sshFormat: fc.constant('openssh' as const),
  }),
  fc.record({
    kind: fc.constant('sops' as const),
    file: path.map((text) => text.replaceAll('#', '+')),
    pointer: fc.option(fc.array(step, { minLength: 1 }), { nil: undefined }),
  }),
  fc.record({ kind: fc.constantFrom('age' as const, 'file' as const), file: path }),
  fc.record({ kind: fc.constant('env' as const), name: fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]*$/) }),
  fc
    .tuple(
      word.filter((text) => text !== ''),
      fc.array(word),
    )
    .map(([program, args]) => ({ kind: 'command' as const, argv: [program, ...args] as [string, ...string[]] })),
)

describe('whatever it is given', () => {
  it('a reference comes back from its text', () => {
    fc.assert(
      fc.property(anyRef, (parts) => {
        const text = formatRef(parts)
        const again = parseRef(parts.kind === 'command' ? JSON.parse(text) : text)
        expect(again).toEqual({ ...parts, text })
      }),
    )
  })

  it('different references have different texts', () => {
    fc.assert(
      fc.property(anyRef, anyRef, (a, b) => {
        if (formatRef(a) === formatRef(b)) expect(parseRef(toValue(a))).toEqual(parseRef(toValue(b)))
      }),
    )
  })

  it('it never crashes and never quotes what it refuses', () => {
    const scheme = fc.constantFrom('', 'op:', 'op://', 'op://v/i/', 'sops:', 'sops:f#/', 'age:', 'file:', 'env:')
    const strange = fc.tuple(scheme, fc.string(), fc.string()).map(([start, a, b]) => `${start}${a}CANARY${b}`)
    fc.assert(
      fc.property(fc.oneof(strange, fc.anything()), (value) => {
        try {
          parseRef(value)
        } catch (error) {
          if (!(error instanceof RefError)) throw error
          expect(`${error.message} ${error.hint}`).not.toContain('CANARY')
        }
      }),
    )
  })
})

function toValue(parts: RefParts): unknown {
  return parts.kind === 'command' ? { command: parts.argv } : formatRef(parts)
}
