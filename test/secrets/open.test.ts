import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { LaunchError } from '../../src/errors.ts'
import type { Settings } from '../../src/registry/entry.ts'
import { type Context, innerSource } from '../../src/secrets/open.ts'
import { parseRef } from '../../src/secrets/parse-ref.ts'
import { openToken } from '../../src/secrets/token.ts'
import type { Finished, Program } from '../../src/world.ts'
import { temporaryDirectory } from '../temporary.ts'
import { testWorld } from '../world.ts'

const OP = parseRef('op://vault/item/field')

/** What the real SDK, or what comes before it, says of a reference with this token. */
async function refusal(token: string, env: Record<string, string>, directory: string): Promise<LaunchError> {
  const world = testWorld({ env: { HOME: directory, ...env } })
  const cache = { ttlMs: 1, stale: 'warn', maxStaleMs: 1, resolveTimeoutMs: 5_000 } as const
  const settings: Settings = { onepassword: { token: parseRef(token) }, cache }
  const source = innerSource(world, { registryPath: join(directory, 'servers.yaml'), settings })
  const outcome = (await source.resolve([OP], world.now() + 10_000)).get(OP.text)
  if (!(outcome instanceof LaunchError)) throw new Error('there is a value')
  return outcome
}

describe('the token of 1Password', () => {
  test('missing: says where it was looked for', async () => {
    const error = await refusal('env:OP_SERVICE_ACCOUNT_TOKEN', {}, temporaryDirectory())
    expect(error.message).toBe(
      'can\'t resolve "env:OP_SERVICE_ACCOUNT_TOKEN": OP_SERVICE_ACCOUNT_TOKEN is not set in the client\'s environment',
    )
  })

  test('in a file that others can read: refused, with the chmod', async () => {
    const directory = temporaryDirectory()
    const file = join(directory, 'token')
    writeFileSync(file, 'ops_canary', { mode: 0o644 })
    const error = await refusal('file:token', {}, directory)
    expect(error.message).toBe(`refusing the secret file "${file}": others can read it (mode 0644)`)
    expect(error.hint).toBe(`chmod 600 ${file}`)
  })

  test.each(['ops_canary', 'canary'])(
    'malformed: the real SDK refuses it, and no part of it is told (%s)',
    async (token) => {
      const directory = temporaryDirectory()
      writeFileSync(join(directory, 'token'), `${token}\n`, { mode: 0o600 })
      const error = await refusal('file:token', {}, directory)
      expect(error).toMatchObject({ refusal: 'token-malformed', exitCode: 1 })
      expect(`${error.message}${error.hint}${error.stack}`).not.toContain('canary')
    },
  )

  test('is told from another by a print that doesn’t show it', async () => {
    const print = (token: string) => openToken(testWorld({ env: { T: token } }), contextOf('env:T')).print(LATER)
    expect(await print('canary')).toMatch(/^[0-9a-f]{16}$/)
    expect(await print('canary')).not.toBe(await print('other'))
    expect(await openToken(testWorld({ env: {} }), contextOf('env:T')).print(LATER)).toBeUndefined()
  })

  test('of a command is asked for once, with the time of who asks, and not to be told from another', async () => {
    const runs: number[] = []
    const world = testWorld({ now: () => 1_000 })
    const run = (program: Program): Promise<Finished> => {
      runs.push(program.timeoutMs)
      return Promise.resolve({ stdout: Buffer.from('canary\n'), stderr: '', end: { kind: 'exit', code: 0 } })
    }
    const counting = { ...world, processes: { ...world.processes, run } }
    const token = openToken(counting, contextOf({ command: ['tok'] }))
    expect(await token.print(61_000)).toBeUndefined()
    expect(runs).toEqual([])
    const outcomes = await Promise.all([token.resolve(61_000), token.resolve(5_000)])
    expect(outcomes.map(String)).toEqual(['[redacted]', '[redacted]'])
    expect(runs).toEqual([60_000])
  })

  test.each([
    ['in a variable', 'env:T', { refusal: 'not-asked' }],
    ['in a file', 'file:/nowhere', { refusal: 'not-asked' }],
    ['of a program that is missing', { command: ['/nowhere'] }, { refusal: 'not-asked' }],
    ['of a program that fails', { command: ['false'] }, expect.not.objectContaining({ refusal: 'not-asked' })],
  ])('%s that can’t be had: nobody was asked but a program', async (_, token, expected) => {
    expect(await openToken(testWorld(), contextOf(token)).resolve(LATER)).toMatchObject(expected)
  })
})

const LATER = Date.now() + 60_000

function contextOf(token: unknown): Context {
  const cache = { ttlMs: 1, stale: 'warn', maxStaleMs: 1, resolveTimeoutMs: 5_000 } as const
  return { registryPath: '/servers.yaml', settings: { onepassword: { token: parseRef(token) }, cache } }
}
