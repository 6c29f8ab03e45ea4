import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import type { LaunchError } from '../../../src/errors.ts'
import { opProgramSource } from '../../../src/secrets/op/op-program.ts'
import { parseRef } from '../../../src/secrets/parse-ref.ts'
import { Secret } from '../../../src/secrets/secret.ts'
import type { Outcome } from '../../../src/secrets/source.ts'
import { temporaryDirectory } from '../../temporary.ts'
import { testWorld } from '../../world.ts'

/** An `op` that notes its arguments, one call a line, and then does what `body` says; `$4` is the reference. */
function fakeOp(body: string) {
  const directory = temporaryDirectory()
  const log = join(directory, 'calls')
  writeFileSync(join(directory, 'op'), `#!/bin/sh\necho "$#:$*" >> ${log}\n${body}\n`, { mode: 0o755 })
  const calls = () => (existsSync(log) ? readFileSync(log, 'utf8').trimEnd().split('\n') : [])
  return { PATH: `${directory}:/usr/bin:/bin`, calls }
}

async function ask(PATH: string, refs: string[], limitMs = 30_000): Promise<Outcome[]> {
  const world = testWorld({ env: { PATH } })
  const parsed = refs.map(parseRef)
  const outcomes = await opProgramSource(world).resolve(parsed, world.now() + limitMs)
  expect(inspect(outcomes, { depth: 9, showHidden: true })).not.toContain('canary')
  return parsed.filter(({ kind }) => kind === 'op').map(({ text }) => outcomes.get(text) as Outcome)
}

const shown = (outcome: Outcome | undefined) => (outcome instanceof Secret ? outcome.reveal() : outcome?.message)

describe('the op program', () => {
  test('gives values to the byte, one after another, each reference once, without a shell', async () => {
    const op = fakeOp(`case "$4" in *two) printf 'canary\\nwith newline\\n';; *) printf 'canary of %s' "$4";; esac`)
    const odd = 'op://My Vault/an item/the field?attribute=otp'
    const outcomes = await ask(op.PATH, ['op://v/i/one', 'op://v/i/two', odd, 'op://v/i/one', 'env:A'])
    expect(outcomes.map(shown)).toEqual([
      'canary of op://v/i/one',
      'canary\nwith newline\n',
      `canary of ${odd}`,
      'canary of op://v/i/one',
    ])
    expect(op.calls()).toEqual(['op://v/i/one', 'op://v/i/two', odd].map((ref) => `4:read --no-newline -- ${ref}`))
  })

  test('is not called for what is not its own', async () => {
    const op = fakeOp('exit 1')
    expect(await ask(op.PATH, ['env:A'])).toEqual([])
    expect(op.calls()).toEqual([])
  })

  const prefix = "[ERROR] 2026/09/18 10:00:00 could not read secret 'op://rate limit/sign in/one': canary"

  test.each([
    ['unknown vault', `"v" isn't a vault in this account. Specify the vault with its ID or name.`, 'no such vault'],
    ['unknown item', `could not get item v/i: "i" isn't an item in the "v" vault. Specify …`, 'no such item'],
    ['several items', 'More than one item matches "i". Try again and specify the item by its ID:', 'or several'],
    ['unknown field', `item 'v/i' does not have a field 'one'`, 'no such field'],
    ['no reference', 'invalid character in secret reference', 'takes it for no reference'],
  ])('%s: a "no" for that one alone', async (_, words, why) => {
    const op = fakeOp(
      `case "$4" in *one) echo "$WORDS" >&2; exit 1;; *) printf 'canary';; esac`.replace('$WORDS', said(words)),
    )
    const [one, two] = await ask(op.PATH, ['op://rate limit/sign in/one', 'op://v/i/two'])
    expect(one).toMatchObject({ refusal: 'said-no', hint: expect.any(String) })
    expect(shown(one)).toContain(`can't resolve "op://rate limit/sign in/one": `)
    expect(shown(one)).toContain(why)
    expect(shown(two)).toBe('canary')
  })

  test.each([
    [
      'not signed in',
      'You are not currently signed in. Please run `op signin --help` …',
      'unavailable',
      'not signed in',
    ],
    ['no account', 'No accounts configured for use with 1Password CLI.', 'unavailable', 'not signed in'],
    ['a prompt dismissed', 'authorization prompt dismissed, please try again', 'unavailable', 'nobody unlocked'],
    ['a prompt not answered', 'error initializing client: authorization timeout', 'unavailable', 'nobody unlocked'],
    ['the rate limit', 'Too many requests. Your client has been rate-limited.', 'rate-limited', 'rate limit'],
    ['a bad token', '(401) Unauthorized: invalid bearer token', 'token-rejected', 'rejected its token'],
    ['a deleted account', '(403) Forbidden (Service Account Deleted)', 'token-rejected', 'rejected its token'],
    ['no network', 'dial tcp: lookup my.1password.com: no such host', 'unavailable', 'no connection'],
  ])('%s: the same failure for all, asked once', async (_, words, refusal, why) => {
    const op = fakeOp(`echo "${said(words)}" >&2; exit 1`)
    const outcomes = await ask(op.PATH, ['op://rate limit/sign in/one', 'op://v/i/two', 'op://v/i/three'])
    expect(outcomes[0]).toMatchObject({ refusal, hint: expect.any(String) })
    expect(shown(outcomes[0])).toMatch(/^can't ask 1password with the program "op": /)
    expect(shown(outcomes[0])).toContain(why)
    expect(new Set(outcomes).size).toBe(1)
    expect(op.calls()).toHaveLength(1)
  })

  test.each([
    ['a crash', 'kill -SEGV $$', '(SIGSEGV)'],
    ['anything else', 'echo canary; echo canary >&2; exit 7', '(exit status 7)'],
    ['endless output', 'exec yes canary', '(too much output)'],
  ])('%s', async (_, body, why) => {
    const [outcome] = await ask(fakeOp(body).PATH, ['op://v/i/one'])
    expect(outcome).toMatchObject({ refusal: 'unavailable', message: expect.stringContaining(why) })
  })

  test('a value that is no text', async () => {
    const [outcome] = await ask(fakeOp(String.raw`printf '\377canary'`).PATH, ['op://v/i/one'])
    expect(outcome).toMatchObject({ refusal: 'said-no', message: expect.stringContaining('not text (UTF-8)') })
  })

  test('hangs: cut off, and not called again', async () => {
    const op = fakeOp('exec sleep 1000')
    const outcomes = await ask(op.PATH, ['op://v/i/one', 'op://v/i/two'], 500)
    expect(shown(outcomes[0])).toMatch(/^can't ask 1password with the program "op": no answer within 0(\.\d)? s$/)
    expect(outcomes[0]).toBe(outcomes[1])
    expect(outcomes[0]).toMatchObject({ refusal: 'unavailable' })
    expect(op.calls().length).toBeLessThan(2)
  })

  test('is not installed, or only in a relative directory', async () => {
    const [absolute = ''] = fakeOp("printf 'canary'").PATH.split(':')
    for (const PATH of [temporaryDirectory(), relative(process.cwd(), absolute), '']) {
      const [outcome] = (await ask(PATH, ['op://v/i/one', 'op://v/i/two'])) as LaunchError[]
      expect(outcome?.message).toBe('can\'t ask 1password with the program "op": it is not on the PATH')
      expect(outcome?.code).toBe('failure')
    }
  })

  test("can't be started", async () => {
    const { PATH } = fakeOp('')
    writeFileSync(join(PATH.split(':')[0] as string, 'op'), '#!/no/such/interpreter\n', { mode: 0o755 })
    const [outcome] = await ask(PATH, ['op://v/i/one'])
    expect(shown(outcome)).toBe(`can't ask 1password with the program "op": it can't be started (ENOENT)`)
  })

  /** As it stands between double quotes in a shell. */
  function said(words: string): string {
    return `${prefix}: ${words}`.replace(/["`$\\]/g, '\\$&')
  }
})
