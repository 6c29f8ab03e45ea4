import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  expectValue,
  FIXTURES,
  FOR_THE_PROGRAM,
  fixture,
  KEYS,
  leavesOf,
  realSops,
  refusalOf,
  resolveAll,
  resolveOne,
  reveal,
  tampered,
  temporaryDirectory,
  worldWith,
  write,
} from '../../fixtures/sops/fixtures.ts'

const keys = `${KEYS.main.identity} ${KEYS.second.identity}`
const handedOver = FIXTURES.filter(({ name }) => FOR_THE_PROGRAM.test(name))

/** A `sops` that notes how it was called and then does what `body` says; `$file` is the file. */
function standIn(body: string): { PATH: string; calls: () => string } {
  const directory = temporaryDirectory()
  const log = `${directory}/calls`
  write(directory, 'sops', `#!/bin/sh\necho "$*" >> ${log}\nfor file; do :; done\n${body}\n`, 0o755)
  return { PATH: `relative:${directory}`, calls: () => (existsSync(log) ? readFileSync(log, 'utf8') : '') }
}

const GOOD = 'exec /bin/cat "$file.expected.json"'

describe('what an age key alone cannot open', () => {
  it.each(handedOver)('$name goes to sops, once', async ({ path, name, expected }) => {
    const { PATH, calls } = standIn(GOOD)
    const leaves = leavesOf(expected.toString())
    const pointers = leaves.map(({ pointer }) => pointer)
    const outcomes = await resolveAll(worldWith({ PATH, SOPS_AGE_KEY: keys }), path, pointers)
    const kind = name.endsWith('.ini') ? 'ini' : 'yaml'
    expect(calls()).toBe(`--decrypt --input-type ${kind} --output-type json ${path}\n`)
    for (const [index, leaf] of leaves.entries()) {
      const covered = !name.includes('mac-only') || leaf.pointer.some((key) => key.includes('token'))
      if (leaf.value === null) expect(refusalOf(outcomes[index]).text).toContain('there is null')
      else if (covered) expectValue(outcomes[index], leaf)
      else expect(refusalOf(outcomes[index]).text).toContain('in clear in a file with mac_only_encrypted')
    }
  })

  it.each(handedOver)('$name without sops says what is missing', async ({ path }) => {
    const refusal = refusalOf(await resolveOne(worldWith({ SOPS_AGE_KEY: keys }), path, ['token']))
    expect(refusal.text).toMatch(
      /^can't decrypt ".*": it(s| is| has) .*; that takes the program "sops", which is not on the PATH$/,
    )
    expect(refusal.hint).toMatch(/^install sops, or /)
  })

  it.each(['kms', 'gcp_kms', 'hckms', 'azure_kv', 'hc_vault', 'pgp'])('a file for %s alone', async (kind) => {
    // Made by hand: there is no such service here. SOPS's own metadata, with the age key under another name.
    const path = tampered('v3.13.3/second-key.yaml', (text) => text.replace('    age:\n', `    ${kind}:\n`))
    const refusal = refusalOf(await resolveOne(worldWith({ SOPS_AGE_KEY: keys }), path, ['token']))
    expect(refusal.text).toContain(`: only a ${kind} key opens it; that takes the program "sops"`)
    write(
      path.slice(0, path.lastIndexOf('/')),
      `${path.slice(path.lastIndexOf('/') + 1)}.expected.json`,
      '{"token": "canary-kms"}',
    )
    expect(reveal(await resolveOne(worldWith({ PATH: standIn(GOOD).PATH }), path, ['token']))).toBe('canary-kms')
  })

  it('a file that an age key opens too never goes there', async () => {
    const path = tampered('v3.13.3/second-key.yaml', (text) =>
      text.replace('    age:\n', '    pgp:\n        - fp: X\n          enc: Y\n          created_at: Z\n    age:\n'),
    )
    const { PATH, calls } = standIn(GOOD)
    expect(reveal(await resolveOne(worldWith({ PATH, SOPS_AGE_KEY: keys }), path, ['token']))).toBe(
      'canary-small-token',
    )
    expect(calls()).toBe('')
    const refusal = refusalOf(await resolveOne(worldWith({ SOPS_AGE_KEY: KEYS.main.identity }), path, ['token']))
    expect(refusal.text).toContain('no age key opens it, only a pgp key; that takes the program "sops"')
  })

  it('an SSH recipient', async () => {
    const path = tampered('v3.13.3/second-key.yaml', (text) => text.replace(KEYS.second.recipient, 'ssh-ed25519 AAAA'))
    const refusal = refusalOf(await resolveOne(worldWith({ SOPS_AGE_KEY: KEYS.main.identity }), path, ['token']))
    expect(refusal.text).toContain('no age key opens it, only an SSH key or an age plugin; that takes')
  })

  it('a file that was changed is not given a second chance', async () => {
    const { PATH, calls } = standIn(GOOD)
    const path = tampered('v3.13.3/types.yaml', (text) => `ADDED: x\n${text}`)
    expect(refusalOf(await resolveOne(worldWith({ PATH, SOPS_AGE_KEY: keys }), path, ['text'])).text).toContain(
      'in clear',
    )
    expect(calls()).toBe('')
  })

  it('mac_only_encrypted in a file that only sops can read', async () => {
    const path = tampered('v3.13.3/app.ini', (text) => text.replace('[sops]', '[sops]\nmac_only_encrypted=true'))
    write(
      path.slice(0, path.lastIndexOf('/')),
      `${path.slice(path.lastIndexOf('/') + 1)}.expected.json`,
      '{"a": "canary"}',
    )
    const refusal = refusalOf(await resolveOne(worldWith({ PATH: standIn(GOOD).PATH }), path, ['a']))
    expect(refusal.text).toContain('it has mac_only_encrypted, which works here for plain YAML, JSON and dotenv alone')
  })
})

describe('what sops says', () => {
  const { path } = fixture('v3.13.3/key-groups.yaml')

  it('has the same types as a file that is opened here', async () => {
    const { PATH } = standIn(
      `echo '{"a": 1e21, "b": 0.5, "c": true, "d": 9007199254740993, "e": "x\\u003c", "f": "bad\\ufffd"}'`,
    )
    const outcomes = await resolveAll(worldWith({ PATH }), path, [['a'], ['b'], ['c'], ['d'], ['e'], ['f']])
    expect(outcomes.slice(0, 5).map(reveal)).toEqual([
      '1000000000000000000000',
      '0.5',
      'true',
      '9007199254740993',
      'x<',
    ])
    expect(refusalOf(outcomes[5]).text).toContain('the value is not text (UTF-8)')
  })

  it('is not asked of a sops in a relative directory of the PATH', async () => {
    const { PATH, calls } = standIn(GOOD)
    const absolute = PATH.slice(PATH.indexOf(':') + 1)
    const world = worldWith({ PATH: relative(process.cwd(), absolute) })
    expect(refusalOf(await resolveOne(world, path, ['token'])).text).toContain('which is not on the PATH')
    expect(calls()).toBe('')
  })
})

describe('sops in trouble', () => {
  const { path } = fixture('v3.13.3/key-groups.yaml')

  it.each<[string, string, string, 'failure' | 'unavailable']>([
    ['no key', 'echo canary >&2; exit 128', 'the program "sops" found no key that opens it', 'failure'],
    [
      'no network',
      'echo "canary dial tcp: lookup kms: no such host" >&2; exit 128',
      'the program "sops" could not reach the key service',
      'unavailable',
    ],
    ['a wrong MAC', 'echo canary >&2; exit 51', 'its MAC is wrong: it was changed without SOPS', 'failure'],
    ['a wrong MAC and a broken network', 'echo "no such host" >&2; exit 51', 'its MAC is wrong', 'failure'],
    [
      'a changed leaf',
      'echo canary >&2; exit 25',
      'a value was changed, or is in clear and should be encrypted',
      'failure',
    ],
    ['anything else', 'echo canary; exit 7', 'the program "sops" failed: it ended with exit status 7', 'failure'],
    ['a crash', 'kill -11 $$', 'the program "sops" failed: it was ended by SIGSEGV', 'failure'],
    ['no JSON', 'echo canary', 'the program "sops" gave no JSON', 'failure'],
    ['JSON that is cut off', `printf '{"token": "canary'`, 'the program "sops" gave no JSON', 'failure'],
    ['a duplicate key', `echo '{"token": "canary", "token": "canary"}'`, 'the key "token" is there twice', 'failure'],
    ['endless output', 'exec /usr/bin/yes canary', 'the program "sops" failed: it wrote too much', 'failure'],
  ])('%s', async (_what, body, why, code) => {
    const refusal = refusalOf(await resolveOne(worldWith({ PATH: standIn(body).PATH }), path, ['token']))
    expect(refusal.text).toContain(`can't decrypt "${path}": ${why}`)
    expect(refusal.code).toBe(code)
    expect(refusal.hint).toBeDefined()
  })

  it('too slow: unavailable', async () => {
    const [outcome] = await resolveAll(worldWith({ PATH: standIn('exec /bin/sleep 60').PATH }), path, [['token']], 200)
    const refusal = refusalOf(outcome)
    expect(refusal.code).toBe('unavailable')
    expect(refusal.text).toContain('the program "sops" took too long')
  })
})

describe('the real sops', () => {
  it('opens what is handed over to it', async (ctx) => {
    if (realSops === undefined) return ctx.skip('there is no sops 3.13 or later on the PATH')
    const PATH = realSops.slice(0, realSops.lastIndexOf('/'))
    for (const { path, name, expected } of handedOver) {
      const leaves = leavesOf(expected.toString()).filter(
        ({ value, pointer }) =>
          value !== null && (!name.includes('mac-only') || pointer.some((key) => key.includes('token'))),
      )
      const world = worldWith({ PATH, SOPS_AGE_KEY: keys.replace(' ', '\n'), HOME: temporaryDirectory() })
      const outcomes = await resolveAll(
        world,
        path,
        leaves.map(({ pointer }) => pointer),
      )
      expect(leaves.length).toBeGreaterThan(0)
      for (const [index, leaf] of leaves.entries()) expectValue(outcomes[index], leaf)
    }
  })

  it('agrees on every fixture that is opened here, and on what is refused', (ctx) => {
    const sops = realSops ?? ctx.skip('there is no sops 3.13 or later on the PATH')
    const env = { PATH: '/usr/bin:/bin', HOME: temporaryDirectory(), SOPS_AGE_KEY: keys.replace(' ', '\n') }
    for (const { path, expected, isBinary, name } of FIXTURES) {
      if (name.includes('post-quantum')) continue
      const args = ['--decrypt', ...(isBinary ? [] : ['--output-type', 'json']), path]
      const output = execFileSync(sops, args, { env, stdio: 'pipe' })
      // Older versions end their JSON without a newline.
      expect(output.toString('latin1').trimEnd(), name).toBe(expected.toString('latin1').trimEnd())
    }
    const spoilt = tampered('v3.13.3/types.yaml', (text) => `ADDED: x\n${text}`)
    expect(() => execFileSync(sops, ['--decrypt', spoilt], { env, stdio: 'pipe' })).toThrow()
  })

  it('says with its exit status what the messages are made of', async (ctx) => {
    if (realSops === undefined) return ctx.skip('there is no sops 3.13 or later on the PATH')
    const world = worldWith({
      PATH: realSops.slice(0, realSops.lastIndexOf('/')),
      SOPS_AGE_KEY: keys.replace(' ', '\n'),
      HOME: temporaryDirectory(),
    })
    const noMac = tampered('v3.13.3/app.ini', (text) =>
      text.replace(/^name_unencrypted.*$/m, 'name_unencrypted = changed'),
    )
    expect(refusalOf(await resolveOne(world, noMac, ['api', 'token'])).text).toContain('its MAC is wrong')
    const plain = tampered('v3.13.3/app.ini', (text) => text.replace(/^token.*$/m, 'token = canary'))
    expect(refusalOf(await resolveOne(world, plain, ['api', 'token'])).text).toContain(
      'a value was changed, or is in clear',
    )
    const noKey = worldWith({ PATH: world.env['PATH'] ?? '', HOME: temporaryDirectory() })
    expect(refusalOf(await resolveOne(noKey, fixture('v3.13.3/app.ini').path, ['api', 'token'])).text).toContain(
      'found no key that opens it',
    )
  })
})
