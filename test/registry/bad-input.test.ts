import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LaunchError } from '../../src/errors.ts'
import { parseRegistry } from '../../src/registry/load.ts'
import { complaints } from './home.ts'

const CANARY = 'canaryCANARY0123456789'

/** What a user reads; `PATH:` stands for the file. */
function problems(content: string | Uint8Array, path = '/r/servers.yaml'): string[] {
  return complaints(() => parseRegistry(Buffer.from(content), path)).map((line) =>
    line
      .replace('invalid registry "/r/servers.yaml', '')
      .replace(/^:?([\d:]*)": /, (_, place) => (place ? `${place} ` : '')),
  )
}

/** The problems of a server `a`, whose line is the second. */
const server = (text: string) => problems(`servers:\n  a: ${text}\n`)

describe('the file', () => {
  it.each([
    ['empty', '', ['is empty -> give it a "servers:" with a server in it']],
    ['only comments', '# one\n\n# two\n', ['is empty -> give it a "servers:" with a server in it']],
    ['only ---', '---\n', ['is empty -> give it a "servers:" with a server in it']],
    ['null', 'null', ['is empty -> give it a "servers:" with a server in it']],
    ['no UTF-8', Uint8Array.of(0x61, 0x3a, 0xff), ['is not UTF-8 text -> save it as UTF-8 in the editor']],
    ['UTF-16', Buffer.from('\ufeffservers:', 'utf16le'), ['is not UTF-8 text -> save it as UTF-8 in the editor']],
    ['a NUL', 'servers:\n  a\0: 1', ['2:4 has a NUL character']],
    ['a list', '- a', ['1:1 the registry must be a mapping, not a list']],
    ['a text', 'servers', ['1:1 the registry must be a mapping, not text']],
    ['no servers', 'cache: {}', ['1:1 "servers" is missing']],
    ['servers without a value', 'servers:', ['1:1 "servers" has no value']],
    ['servers without a server', 'servers: {}', ['1:10 "servers" has no server in it']],
    ['servers as a list', 'servers: [a]', ['1:10 "servers" must be a mapping, not a list']],
    ['a tab', 'servers:\n\ta: {}', ['2:1 a tab as indentation -> use spaces']],
    ['two documents', 'a: 1\n---\nb: 2', ['2:1 a second document begins here (---) -> a registry is one document']],
    ['an open quote', 'a: "x', ['1:6 a quote, bracket, comma or colon is missing']],
    [
      'an unknown tag',
      'a: !foo x',
      ['1:4 a tag (!) can not be used here -> put the text in quotes if it begins with !'],
    ],
    ['a list as key', '? [a]\n: 1', ['1:3 a key is no text']],
    ['a cyclic alias', 'a: &a [*a]', ['1:7 is nested too deeply here']],
    ['an unset anchor', 'a: *b', ['1:4 no anchor "b" before this alias -> set it with &, above']],
    [
      'a merge of text',
      'servers: { a: { <<: x, command: y } }',
      ['1:21 "<<" takes a mapping or a list of mappings -> write <<: *anchor'],
    ],
  ])('%s', (_, content, expected) => {
    expect(problems(content)).toEqual(expected)
  })

  it('has a key twice', () => {
    expect(problems('servers:\n  a: { command: x }\n  b: { command: x }\n  a: { command: y }\n')).toEqual([
      '4:3 the key "a" is there twice, first at 2:3 -> take one of them out',
    ])
    expect(problems('{"servers": {"a": {"command": "x", "command": "y"}}}')).toEqual([
      '1:36 the key "command" is there twice, first at 1:20 -> take one of them out',
    ])
  })

  it('has keys that would change a prototype', () => {
    expect(server('{ command: x, env: { __proto__: { polluted: 1 } }, __proto__: {} }')).toEqual([
      '2:27 the key "__proto__" can not be used',
      '2:57 the key "__proto__" can not be used',
    ])
    expect({}).not.toHaveProperty('polluted')
  })

  it('laughs a billion times', () => {
    const laughs = 'bcdefghi'
      .split('')
      .map((name, index) => `${name}: &${name} [${`*${'abcdefgh'[index]},`.repeat(9)}]\n`)
    expect(problems(`a: &a [lol]\n${laughs.join('')}`)).toEqual([
      '1:8 the aliases expand to too much -> write values out',
    ])
    expect(problems(`a: &a ${'x'.repeat(100_000)}\nb: [${'*a,'.repeat(1_000)}]`)).toEqual([
      '1:7 the aliases expand to too much -> write values out',
    ])
  })

  it.each(['[', '{a: ', '- ', '? ', '!!seq ['])('nests %s without end', (opening) => {
    for (const depth of [20, 1_000, 100_000]) expect(problems(`a: ${opening.repeat(depth)}`)).not.toEqual([])
  })

  it('nests deeper than any registry', () => {
    expect(problems(`a: ${'['.repeat(30)}${']'.repeat(30)}`)).toEqual(['1:20 is nested too deeply here'])
  })

  it.each([
    ['openings', `servers: {a: {command: "${`\${`.repeat(400_000)}"}}`],
    ['half tokens', `servers: {a: {command: "${'sk-'.repeat(300_000)}", x: 1}}`],
    ['escapes', `{"servers": {"a": "${'\\"'.repeat(400_000)}`],
    ['comments', `{"a": ${'/*'.repeat(400_000)}`],
    ['duplicates', 'a: 1\n'.repeat(100_000)],
  ])('has a megabyte of %s and is read in the time of the test', (_, text) => {
    expect(problems(text, '/r/servers.json')).not.toEqual([])
  })

  it('has a thousand problems in full and counts the rest', () => {
    const many = problems(
      `servers:\n${Array.from({ length: 1_010 }, (_, i) => `  s${i}: { command: x, zzz: 1 }\n`).join('')}`,
    )
    expect(many).toHaveLength(1_001)
    expect(many[0]).toMatch(/^2:21 unknown key "zzz" -> known here: description, enabled, /)
    expect(many[1_000]).toBe('and 10 more problems -> mend the ones above first')
  })
})

describe('a server', () => {
  it.each([
    ['x', '2:6 "a" must be a mapping, not text'],
    ['', '2:3 "a" has no value'],
    ['{}', '2:3 "command" is missing in "a"'],
    ['{ comand: x }', '2:8 unknown key "comand" -> did you mean "command"?'],
    [
      '{ command: x, url: y }',
      '2:20 unknown key "url" -> mcp-launch starts programs; for a remote server make "command" a bridge such as mcp-remote',
    ],
    ['{ command: x, disabled: true }', '2:20 unknown key "disabled" -> write "enabled: false"'],
    ['{ command: x, constructor: 1 }', expect.stringMatching(/^2:20 unknown key "constructor" -> known here: /)],
    [
      '{ command: npx -y foo }',
      '2:17 "command" must be one executable, not a shell line -> put the words after the first into args: [ … ]',
    ],
    ['{ command: "" }', '2:17 "command" is empty'],
    ['{ command: [npx] }', '2:17 "command" must be text, not a list'],
    ['{ command: "a\\0b" }', '2:17 "command" has a NUL character'],
    ['{ command: x, args: foo }', '2:26 "args" must be a list, not text'],
    ['{ command: x, args: [a, [b]] }', '2:30 "args[1]" must be text'],
    ['{ command: x, args: [] , env: [A] }', '2:36 "env" must be a mapping, not a list'],
    ['{ command: x, env: { A: } }', '2:27 "A" has no value'],
    ['{ command: x, env: { A: [1] } }', '2:30 "A" must be text'],
    [
      '{ command: x, env: { "A B": 1 } }',
      '2:27 "A B" is no variable name -> use letters, digits and _, and no digit first',
    ],
    ['{ command: x, enabled: yes }', '2:29 "enabled" must be true or false, not text'],
    ['{ command: x, scope: of }', '2:27 "scope" must be auto, require or off -> did you mean "off"?'],
    [
      '{ command: x, passEnv: [A=1] }',
      '2:30 "passEnv[0]" is no variable name -> use letters, digits and _, and no digit at the start',
    ],
    ['{ command: x, stopTimeout: 5 }', '2:33 "stopTimeout" must be a time with a unit -> add one: 5s'],
    [
      '{ command: x, stopTimeout: 5 s }',
      '2:33 "stopTimeout" must be a time with a unit -> write 500ms, 30s, 5m, 4h, 7d or 1h30m',
    ],
    ['{ command: x, stopTimeout: 2h }', '2:33 "stopTimeout" must be one hour at most'],
    ['{ command: x, deathSignal: NOPE }', '2:33 "deathSignal" must be auto, off or a signal -> write TERM or KILL'],
    ['{ command: x, slice: a--b.slice }', '2:27 "slice" is no name of a systemd slice -> write mcp-servers.slice'],
    ['{ command: x, limits: { memorymax: 1G } }', '2:30 unknown key "memorymax" -> did you mean "memoryMax"?'],
    [
      '{ command: x, limits: { memoryMax: 1GB } }',
      '2:41 "memoryMax" must be a memory size -> write 512M, 2G, 50% or infinity',
    ],
    [
      '{ command: x, limits: { cpuQuota: 100 } }',
      '2:40 "cpuQuota" must be a percentage -> write 100% for one whole processor',
    ],
    [
      '{ command: x, limits: { tasksMax: 0 } }',
      '2:40 "tasksMax" must be a number of tasks -> write 100, 10% or infinity',
    ],
    ['{ command: x, limits: { runtimeMax: 0s } }', '2:42 "runtimeMax" must be longer than nothing'],
    [`{ command: x, args: ["\${A"] }`, `2:27 "args[0]" has a \${ that is not closed -> write $\${ for a literal \${`],
  ])('%s', (text, expected) => {
    expect(server(text)).toEqual([expected])
  })

  it('has a name that a shell, a unit or a file might not take', () => {
    expect(problems('servers: { GitHub: { command: x }, "a/b": { command: x }, -a: { command: x } }')).toEqual([
      '1:12 "GitHub" is no server name -> use at most 200 lower-case letters, digits and ._-, and a letter or digit first',
      '1:36 "a/b" is no server name -> use at most 200 lower-case letters, digits and ._-, and a letter or digit first',
      '1:59 "-a" is no server name -> use at most 200 lower-case letters, digits and ._-, and a letter or digit first',
    ])
  })

  it('has a name that is too long for the name of its scope', () => {
    const named = (length: number) => problems(`servers: { ${'a'.repeat(length)}: { command: x } }`)
    expect(named(200)).toEqual([])
    expect(named(201)).toEqual([expect.stringMatching(/^1:12 "a+…" is no server name -> use at most 200 /)])
  })

  it('lets a secret into its argv', () => {
    const why = 'uses KEY, which this server has under "secrets": a secret is passed in its variable only'
    const hint = 'let the server read KEY from its environment, or give it a file (as: file)'
    expect(
      problems(
        `defaults: { cwd: "\${KEY}" }\nservers:\n  a: { command: x, args: ["\${KEY:-}"], env: { B: "\${KEY}" }, secrets: { KEY: env:K } }`,
      ),
    ).toEqual([`1:18 "cwd" ${why} -> ${hint}`, `3:27 "args[0]" ${why} -> ${hint}`, `3:50 "B" ${why} -> ${hint}`])
  })

  it('has a variable under env and secrets', () => {
    expect(server('{ command: x, env: { A: 1 }, secrets: { A: env:B } }')).toEqual([
      '2:27 "A" stands under "env" and "secrets"',
    ])
  })
})

describe('a secret', () => {
  const secret = (text: string) => problems(`servers:\n  a:\n    command: x\n    secrets:\n      KEY: ${text}\n`)

  it.each([
    ['op://v/i', '5:12 "KEY" has 2 parts after op:// -> op://vault/item/field or op://vault/item/section/field'],
    ['sops:f#/a/', '5:12 "KEY" has an empty key after # -> sops:FILE#/key, without a slash at the end'],
    [
      '{ command: [x], as: file }',
      '5:28 unknown key "as" -> write { from: { command: […] }, … } to say more about a command',
    ],
    ['{ command: [] }', '5:23 "command" has no program in it'],
    ['{ from: env:A, as: fle }', '5:31 "as" must be env or file -> did you mean "file"?'],
    ['{ from: env:A, requird: true }', '5:27 unknown key "requird" -> did you mean "required"?'],
    ['{ from: env:A, cache: 5 }', '5:34 "cache" must be a time with a unit -> add one: 5s'],
    ['{ as: file }', '5:7 "from" is missing in "KEY"'],
    ['', '5:7 "KEY" has no value'],
  ])('%s', (text, expected) => {
    expect(secret(text)).toEqual([expected])
  })

  it.each([
    CANARY,
    `"${CANARY}"`,
    `op://${CANARY}`,
    `op://v/i/${CANARY}/`,
    `op://v/i/f?${CANARY}`,
    `env:${CANARY}-`,
    `sops:f#${CANARY}`,
    `{ from: ${CANARY} }`,
    `{ from: env:A, as: ${CANARY} }`,
    `[${CANARY}]`,
    `{ command: ${CANARY} }`,
    `{ command: [curl, "ghp_${CANARY}"] }`,
    `"${CANARY}`,
    `@${CANARY}`,
    `!${CANARY} x`,
    `a: ${CANARY}`,
    `"\\q${CANARY}"`,
    `[x ${CANARY}`,
    `} ${CANARY}`,
    `|\n      ${CANARY}\n    ${CANARY}\n\t${CANARY}`,
    `x\n   ${CANARY}`,
  ])('is not shown: %j', (text) => {
    const found = secret(text).join('\n')
    expect(found).not.toBe('')
    expect(found).not.toContain(CANARY)
  })

  it('is not shown, whatever stands there', () => {
    const strange = fc.string({ unit: fc.constantFrom(...' \n\t"\'{}[]:,#&*!|>%@`\\-?ab1', 'CANARY') })
    fc.assert(
      fc.property(strange, (text) => {
        // A key or an anchor is named in messages; a value isn't.
        const lines = complaints(() =>
          parseRegistry(Buffer.from(`servers: { a: { command: x, secrets: { KEY: "${text}`), 'f.yaml'),
        )
        expect(lines.join()).not.toContain('CANARY"')
      }),
    )
  })

  it('can not set a variable that loaders read', () => {
    expect(problems('servers: { a: { command: x, secrets: { NODE_OPTIONS: env:A, LD_PRELOAD: env:B } } }')).toEqual([
      '1:40 "NODE_OPTIONS" can not come from a secret: whoever changes it runs code in the server -> put it under env, with a value that everybody may see',
      '1:61 "LD_PRELOAD" can not come from a secret: whoever changes it runs code in the server -> put it under env, with a value that everybody may see',
    ])
  })

  it.each(['env: { KEY: TOKEN }', 'args: [a, TOKEN]', 'description: TOKEN'])('was pasted: %s', (text) => {
    for (const token of [`ghp_${CANARY}`, `sk-${CANARY}`, `AGE-SECRET-KEY-1QQQQQQQQQQ`]) {
      const [line, ...rest] = server(`{ command: x, ${text.replace('TOKEN', token)} }`)
      expect(line).toMatch(
        /^2:\d+ "(KEY|args\[1\]|description)" looks like a secret \(its text is not shown\) -> keep it/,
      )
      expect(rest).toEqual([])
    }
  })

  it('was pasted in the place of a key', () => {
    expect(server(`{ command: x, env: { ghp_${CANARY} } }`).join()).not.toContain(CANARY)
    expect(server(`{ command: x, ghp_${CANARY}: 1 }`)[0]).toMatch(/^2:20 unknown key "\[redacted\]"/)
  })
})

describe('the rest', () => {
  it.each([
    [
      'defaults: { env: { A: 1 } }',
      '1:13 unknown key "env" -> put it under each server: defaults say how to launch, not what',
    ],
    ['default: {}', '1:1 unknown key "default" -> did you mean "defaults"?'],
    ['cache: { ttl: 4 }', '1:15 "ttl" must be a time with a unit -> add one: 4s'],
    ['cache: { stale: warm }', '1:17 "stale" must be warn, silent or fail -> did you mean "warn"?'],
    ['cache: { resolveTimeout: 0s }', '1:26 "resolveTimeout" must be longer than nothing'],
    ['cache: { resolveTimeout: 30d }', '1:26 "resolveTimeout" must be one hour at most'],
    ['cache: { maxStale: 9999d }', '1:20 "maxStale" must be ten years at most'],
    ['onepassword: { token: op://v/i/f }', '1:23 "token" can not be in 1Password itself'],
    ['onepassword: { token: [] }', expect.stringMatching(/^1:23 "token" is not a reference -> say where/)],
    ['"x\\ny": 1', expect.stringMatching(/^1:1 unknown key "x�y" -> known here: /)],
  ])('%s', (text, expected) => {
    expect(problems(`${text}\nservers: { a: { command: x } }`)).toEqual([expected])
  })

  it("a client's own file", () => {
    expect(problems('{"mcpServers": {"a": {"command": "x"}}}')).toEqual([
      '1:2 unknown key "mcpServers" -> did you mean "servers"?',
    ])
  })

  it('all of it at once, in the order of the file', () => {
    const text = readFileSync(join(import.meta.dirname, '../fixtures/registry/many-problems.yaml'), 'utf8')
    expect(`${problems(text).join('\n')}\n`).toBe(
      readFileSync(join(import.meta.dirname, '../fixtures/registry/many-problems.txt'), 'utf8'),
    )
  })

  it('is a usage error, whatever the text', () => {
    const yaml = fc.string({
      unit: fc.constantFrom(
        'servers',
        'a',
        ': ',
        '\n',
        '  ',
        '- ',
        '{',
        '}',
        '[',
        '&a ',
        '*a',
        '<<',
        '"',
        '|',
        'command',
      ),
    })
    fc.assert(
      fc.property(yaml, fc.constantFrom('f.yaml', 'f.json'), (text, path) => {
        try {
          parseRegistry(Buffer.from(text), path)
        } catch (error) {
          expect(error).toBeInstanceOf(LaunchError)
          expect((error as LaunchError).exitCode).toBe(2)
        }
      }),
      { numRuns: 500 },
    )
  })
})
