import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { refresh } from '../../../src/commands/secrets/refresh.ts'
import { User } from './home.ts'

/** More than a question and the writing of its answer may take. */
const LONG_MS = 3_600_000

test('a refresh that was stopped gives its place to the next one, and its late answer is not kept', async () => {
  const user = new User()
  const go = join(user.home, 'go')
  const hang = `touch ${go}.begun; until [ -e ${go} ]; do sleep 0.02; done; echo old`
  user.register({ one: { A: user.script('a', `if mkdir ${go}.first 2>/dev/null; then ${hang}; else echo new; fi`) } })
  const stopped = refresh(user.world, [], {}).catch((error: unknown) => error)
  await expect.poll(() => existsSync(`${go}.begun`)).toBe(true)
  user.shift += LONG_MS
  expect(await refresh(user.world, [], {})).toBe(0)
  expect(await user.cached()).toEqual(['new'])
  writeFileSync(go, '')
  expect(await stopped).toMatchObject({
    message: expect.stringMatching(/^can't keep what was fetched: /),
    exitCode: 75,
  })
  expect(await user.cached()).toEqual(['new'])
})

test('whoever waits for another at a terminal is told so', async () => {
  const user = new User()
  const go = join(user.home, 'go')
  user.register({ one: { A: user.script('a', `touch ${go}.begun; until [ -e ${go} ]; do sleep 0.02; done; echo a`) } })
  const first = refresh(user.world, [], {})
  await expect.poll(() => existsSync(`${go}.begun`)).toBe(true)
  let told = ''
  const writeError = (text: string): void => {
    told += text
  }
  const terminal = { ...user.world.terminal, stdoutIsTerminal: true, writeError }
  const second = refresh({ ...user.world, terminal }, [], {})
  await expect
    .poll(() => told)
    .toMatch(/^mcp-launch: note: waiting for a refresh that is under way, for \d+ s at most\n$/)
  writeFileSync(go, '')
  expect(await Promise.all([first, second])).toEqual([0, 0])
})
