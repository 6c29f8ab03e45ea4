import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Secret } from '../../../src/secrets/secret.ts'
import {
  fixture,
  KEYS,
  leavesOf,
  refusalOf,
  resolveAll,
  resolveOne,
  reveal,
  tampered,
  temporaryDirectory,
  withMainKey,
  write,
} from '../../fixtures/sops/fixtures.ts'

const YAML = 'v3.13.3/types.yaml'
const JSON_FILE = 'v3.13.3/types.json'
const DOTENV = 'v3.9.0/app.env'
const MAC_ONLY = 'v3.13.3/mac-only.yaml'
const BINARY = 'v3.13.3/token.txt'

const MAC_WRONG = 'its MAC is wrong: an entry was added, changed, moved or removed without SOPS'
const MAC_SHUT = 'its MAC does not open: "mac" or "lastmodified" was changed without SOPS'

/** A whole line of a file, with its end. */
function line(text: string, key: string): string {
  const found = new RegExp(`^ *"?${key}"?[:=].*\\n`, 'm').exec(text)
  if (found === null) throw new Error(`no line ${key}`)
  return found[0]
}

/** The values of two keys of one line each, exchanged. */
function swap(a: string, b: string): (text: string) => string {
  return (text) => {
    const [first, second] = [line(text, a), line(text, b)]
    const valueOfLine = (whole: string): string => whole.replace(/^[^:=]*[:=] ?/, '')
    return text
      .replace(first, () => first.replace(valueOfLine(first), () => valueOfLine(second)))
      .replace(second, () => second.replace(valueOfLine(second), () => valueOfLine(first)))
  }
}

function replaceLine(key: string, change: (line: string) => string): (text: string) => string {
  return (text) => text.replace(line(text, key), (whole) => change(whole))
}

describe('a file that was changed without SOPS is refused, whatever of it is asked for', () => {
  it.each<[string, string, (text: string) => string, string]>([
    [
      'a plain entry added',
      YAML,
      (text) => `NODE_OPTIONS: --require=/tmp/x\n${text}`,
      'the value at "NODE_OPTIONS" is in clear and should be encrypted',
    ],
    [
      'a plain number added',
      YAML,
      (text) => `NUMBER: 5\n${text}`,
      'the value at "NUMBER" is in clear and should be encrypted',
    ],
    ['a plain entry added that need not be encrypted', YAML, (text) => `x_unencrypted: hello\n${text}`, MAC_WRONG],
    [
      'a value replaced by plain text',
      YAML,
      replaceLine('text', () => 'text: replaced\n'),
      'the value at "text" is in clear',
    ],
    [
      'a nested value replaced by plain text',
      YAML,
      replaceLine('api_key', () => '        api_key: replaced\n'),
      'the value at "mcp/exa/api_key" is in clear',
    ],
    ['an encrypted entry removed', YAML, replaceLine('text', () => ''), MAC_WRONG],
    ['an encrypted value emptied', YAML, replaceLine('text', () => 'text: ""\n'), MAC_WRONG],
    ['an encrypted value made null', YAML, replaceLine('text', () => 'text: null\n'), MAC_WRONG],
    ['a plain entry removed', YAML, replaceLine('plain_unencrypted', () => ''), MAC_WRONG],
    ['a plain entry changed', YAML, replaceLine('plain_unencrypted', () => 'plain_unencrypted: other\n'), MAC_WRONG],
    ['a plain bool changed', YAML, replaceLine('bool_unencrypted', () => 'bool_unencrypted: false\n'), MAC_WRONG],
    [
      'two encrypted values swapped',
      YAML,
      swap('text', 'quotes'),
      'the encrypted value at "text" was changed, or put there from somewhere else',
    ],
    ['two plain values swapped', YAML, swap('plain_unencrypted', 'int_unencrypted'), MAC_WRONG],
    [
      'an entry renamed',
      YAML,
      (text) => text.replace('\ntext: ', '\ntext2: '),
      'the encrypted value at "text2" was changed, or put there',
    ],
    [
      'an encrypted value taken out of encryption by its name',
      YAML,
      (text) => text.replace('\ntext: ', '\ntext_unencrypted: '),
      MAC_WRONG,
    ],
    [
      'an entry copied',
      YAML,
      (text) => text.replace('\nquotes: ', () => `\ncopy: ${line(text, 'text').slice(6)}quotes: `),
      'the encrypted value at "copy" was changed, or put there',
    ],
    ['two items of a list swapped', YAML, (text) => swapItems(text), MAC_WRONG],
    [
      'two entries in the other order',
      YAML,
      (text) => text.replace(line(text, 'text'), '').replace('\nquotes: ', () => `\n${line(text, 'text')}quotes: `),
      MAC_WRONG,
    ],
    [
      'a value cut off',
      YAML,
      replaceLine('text', (whole) => `${whole.slice(0, 40)}\n`),
      'the encrypted value at "text" is damaged',
    ],
    [
      'a value with one character changed',
      YAML,
      replaceLine('text', (whole) => whole.replace(/data:(.)/, (_, c) => `data:${c === 'A' ? 'B' : 'A'}`)),
      'the encrypted value at "text" was changed',
    ],
    [
      'a value with a tag of four bytes',
      YAML,
      replaceLine('text', (whole) => whole.replace(/tag:[^,]+/, 'tag:AAAAAA==')),
      'the encrypted value at "text" is damaged',
    ],
    [
      'a value made a comment',
      YAML,
      replaceLine('text', (whole) => whole.replace('type:str', 'type:comment')),
      MAC_WRONG,
    ],
    [
      'a text made a number',
      YAML,
      replaceLine('text', (whole) => whole.replace('type:str', 'type:int')),
      'it holds a value that is no "int"',
    ],
    [
      'a text made a shorter number',
      YAML,
      replaceLine('looks_like_int', (whole) => whole.replace('type:str', 'type:int')),
      MAC_WRONG,
    ],
    [
      'a value of a type that does not exist',
      YAML,
      replaceLine('text', (whole) => whole.replace('type:str', 'type:what')),
      'it holds a value that is no "what"',
    ],
    [
      'a comment made a value',
      YAML,
      (text) => text.replace('type:comment]\n        - ENC', 'type:str]\n        - ENC'),
      MAC_WRONG,
    ],
    ['the MAC removed', YAML, replaceLine('mac', () => ''), 'it has no MAC'],
    ['the MAC empty', YAML, replaceLine('mac', () => '    mac: ""\n'), 'it has no MAC'],
    ['the MAC of nonsense', YAML, replaceLine('mac', () => '    mac: nonsense\n'), MAC_SHUT],
    [
      'the MAC replaced by a value',
      YAML,
      (text) => text.replace(line(text, 'mac'), () => `    mac: ${line(text, 'text').slice(6)}`),
      MAC_SHUT,
    ],
    [
      'another lastmodified',
      YAML,
      replaceLine('lastmodified', () => '    lastmodified: "2020-01-01T00:00:00Z"\n'),
      MAC_SHUT,
    ],
    ['lastmodified of nonsense', YAML, replaceLine('lastmodified', () => '    lastmodified: yesterday\n'), MAC_SHUT],
    ['lastmodified removed', YAML, replaceLine('lastmodified', () => ''), MAC_SHUT],
    [
      'mac_only_encrypted added',
      YAML,
      (text) => text.replace('    lastmodified', '    mac_only_encrypted: true\n    lastmodified'),
      MAC_WRONG,
    ],
    [
      'mac_only_encrypted of nonsense',
      YAML,
      (text) => text.replace('    lastmodified', '    mac_only_encrypted: perhaps\n    lastmodified'),
      'its mac_only_encrypted is neither true nor false',
    ],
    [
      'a rule that encrypts more',
      YAML,
      replaceLine('unencrypted_suffix', () => '    unencrypted_suffix: xt\n'),
      'the value at "plain_unencrypted" is in clear and should be encrypted',
    ],
    [
      'a rule that encrypts less',
      YAML,
      replaceLine('unencrypted_suffix', () => '    unencrypted_regex: _unencrypted$|^text$\n'),
      MAC_WRONG,
    ],
    [
      'a second rule',
      YAML,
      replaceLine('unencrypted_suffix', (whole) => `${whole}    encrypted_regex: t\n`),
      'it has both unencrypted_suffix and encrypted_regex',
    ],
    ['a duplicate key', YAML, (text) => `text: hello\n${text}`, 'the key "text" is there twice'],
    [
      'a JSON entry added',
      JSON_FILE,
      (text) => text.replace('{', '{"LD_PRELOAD": "/tmp/x",'),
      'the value at "LD_PRELOAD" is in clear',
    ],
    [
      'a JSON plain entry changed',
      JSON_FILE,
      (text) => text.replace('"n_unencrypted": 12', '"n_unencrypted": 13'),
      MAC_WRONG,
    ],
    [
      'JSON plain entries in the other order',
      JSON_FILE,
      (text) => text.replace(/("a": \[\s*)1,(\s*)"b"/, '$1"b",$21'),
      MAC_WRONG,
    ],
    ['integer-like keys in the other order', JSON_FILE, (text) => swapJsonLines(text), MAC_WRONG],
    ['a duplicate JSON key', JSON_FILE, (text) => text.replace('{', '{"text": "x",'), 'the key "text" is there twice'],
    ['a dotenv entry added', DOTENV, (text) => `PATH=/tmp\n${text}`, 'the value at "PATH" is in clear'],
    ['a dotenv entry removed', DOTENV, replaceLine('TOKEN', () => ''), MAC_WRONG],
    ['two dotenv values swapped', DOTENV, swap('TOKEN', 'SPACED'), 'the encrypted value at "TOKEN" was changed'],
    ['a dotenv MAC removed', DOTENV, replaceLine('sops_mac', () => ''), 'it has no MAC'],
    [
      'a binary file replaced by plain text',
      BINARY,
      (text) => text.replace(/"data": ".*?"/, '"data": "hello"'),
      'the value at "data" is in clear',
    ],
    ['a binary file without a MAC', BINARY, (text) => text.replace(/"mac": ".*?"/, '"mac": ""'), 'it has no MAC'],
    ['mac_only_encrypted removed', MAC_ONLY, replaceLine('mac_only_encrypted', () => ''), MAC_WRONG],
    ['an encrypted entry removed under mac_only_encrypted', MAC_ONLY, replaceLine('api_token', () => ''), MAC_WRONG],
    [
      'plain text for an encrypted one under mac_only_encrypted',
      MAC_ONLY,
      replaceLine('api_token', () => 'api_token: x\n'),
      'the value at "api_token" is in clear',
    ],
  ])('%s', async (_what, name, change, why) => {
    const path = tampered(name, change)
    const pointers = [['text'], ['NODE_OPTIONS'], ['TOKEN'], ['api_token'], undefined]
    for (const outcome of await resolveAll(withMainKey, path, pointers)) {
      const refusal = refusalOf(outcome)
      expect(refusal.text).toContain(`can't decrypt "${path}": ${why}`)
      expect(refusal.code).toBe('failure')
    }
  })

  it('an entry taken over from another file under the same key', async () => {
    const other = 'v3.9.0/types.yaml'
    const { expected } = fixture(other)
    expect(expected.toString()).toContain('canary-text')
    const foreign = await import('node:fs').then(({ readFileSync }) =>
      line(readFileSync(fixture(other).path, 'utf8'), 'text'),
    )
    const path = tampered(
      YAML,
      replaceLine('text', () => foreign),
    )
    expect(refusalOf(await resolveOne(withMainKey, path, ['text'])).text).toContain(
      'the encrypted value at "text" was changed',
    )
  })

  it('a data key that was changed', async () => {
    const path = tampered(YAML, (text) => text.replace(/(BEGIN AGE ENCRYPTED FILE-----\n\s+)(.*\n)/, '$1AAAA$2'))
    expect(refusalOf(await resolveOne(withMainKey, path, ['text'])).text).toContain(
      `its data key for ${KEYS.main.recipient} is damaged`,
    )
  })
})

describe('what the MAC does not cover gives no value', () => {
  it('an empty entry that was added', async () => {
    const path = tampered(YAML, (text) => `ADDED: ""\n${text}`)
    const refusal = refusalOf(await resolveOne(withMainKey, path, ['ADDED']))
    expect(refusal.text).toContain('there is an empty text, which SOPS does not protect')
    expect(reveal(await resolveOne(withMainKey, path, ['text']))).toBe('canary-text-7f3a')
  })

  it('a plain entry under mac_only_encrypted that was changed', async () => {
    const path = tampered(
      MAC_ONLY,
      replaceLine('host', () => 'host: evil.example\n'),
    )
    expect(refusalOf(await resolveOne(withMainKey, path, ['host'])).text).toContain('anybody may have changed it')
    expect(reveal(await resolveOne(withMainKey, path, ['api_token']))).toBe('canary-api-token')
  })

  it('a key with control characters is shown without them', async () => {
    const path = tampered(YAML, (text) => `"\\e[2Jx\\n": plain\n${text}`)
    expect(refusalOf(await resolveOne(withMainKey, path, ['text'])).text).toContain('the value at "?[2Jx?" is in clear')
  })
})

describe('lastmodified is read as Go reads it', () => {
  it.each([
    ['fractions', (time: string) => time.replace('Z', '.123Z')],
    ['an offset of nothing', (time: string) => time.replace('Z', '+00:00')],
  ])('%s', async (_what, change) => {
    const path = tampered(
      YAML,
      replaceLine('lastmodified', (whole) => change(whole)),
    )
    expect(reveal(await resolveOne(withMainKey, path, ['text']))).toBe('canary-text-7f3a')
  })
})

describe('one byte', () => {
  it.each([YAML, JSON_FILE, DOTENV, MAC_ONLY, BINARY])('of %s changed: refused, or the same values', async (name) => {
    const { path: original, expected, isBinary } = fixture(name)
    const { readFileSync } = await import('node:fs')
    const bytes = readFileSync(original)
    const pointers = isBinary ? [undefined] : leavesOf(expected.toString()).map(({ pointer }) => pointer)
    const truth = (await resolveAll(withMainKey, original, pointers)).map(revealed)
    expect(truth.some((value) => value !== undefined)).toBe(true)
    const directory = temporaryDirectory()
    const path = write(directory, name.replace('/', '-'), bytes)
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const changed = Buffer.from(bytes)
        changed.writeUInt8((bytes[at] ?? 0) ^ flip, at)
        write(directory, name.replace('/', '-'), changed)
        const outcomes = await resolveAll(withMainKey, path, pointers)
        for (const [index, outcome] of outcomes.entries()) {
          if (outcome instanceof Secret) expect(outcome.reveal()).toBe(truth[index])
          else refusalOf(outcome)
        }
      }),
      { numRuns: 150 },
    )
  })
})

function revealed(outcome: unknown): string | undefined {
  return outcome instanceof Secret ? outcome.reveal() : undefined
}

function swapItems(text: string): string {
  const items = [...text.matchAll(/^ {8}- (ENC.*type:(?:str|int)\])\n/gm)].map((match) => match[1] ?? '')
  const [first = '', second = ''] = items
  return text
    .replace(first, 'FIRST')
    .replace(second, () => first)
    .replace('FIRST', () => second)
}

function swapJsonLines(text: string): string {
  const [ten = '', nine = ''] = [/^\s*"10": .*\n/m.exec(text)?.[0], /^\s*"9": .*\n/m.exec(text)?.[0]]
  return text.replace(ten + nine, () => nine + ten)
}
