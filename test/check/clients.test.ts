import { describe, expect, test } from 'vitest'
import { CLIENT_NAMES, clientNamed, deadlineOf, environmentOf } from '../../src/check/clients.ts'

const OWN = {
  HOME: '/h',
  LOGNAME: 'u',
  PATH: '/bin',
  SHELL: '/bin/sh',
  TERM: 'dumb',
  USER: 'u',
  LANG: 'C',
  LC_ALL: 'C',
  TMPDIR: '/t',
  TZ: 'UTC',
  XDG_RUNTIME_DIR: '/run/user/1',
  GITHUB_TOKEN: 't',
}
const SIX = ['HOME', 'LOGNAME', 'PATH', 'SHELL', 'TERM', 'USER']

/** One a line: client, the names of what it passes and sets, its deadline. */
const EXPECTED: readonly [string, readonly string[], number | undefined][] = [
  ['claude-code', [...Object.keys(OWN), 'CLAUDECODE', 'CLAUDE_CODE_SESSION_ID', 'CLAUDE_PROJECT_DIR'], 30_000],
  ['claude-desktop', SIX, undefined],
  ['codex', [...SIX, 'LANG', 'LC_ALL', 'TMPDIR', 'TZ'], 10_000],
  ['opencode', Object.keys(OWN), 5_000],
  ['crush', Object.keys(OWN), 15_000],
  ['cline', SIX, 60_000],
  ['zed', SIX, 60_000],
  ['goose', SIX, 300_000],
  ['gemini', Object.keys(OWN), 600_000],
  ['vscode', Object.keys(OWN), undefined],
  ['warp', SIX, undefined],
]

test.each(EXPECTED)('%s', (name, names, deadlineMs) => {
  const client = clientNamed(name)
  expect(Object.keys(environmentOf(client, OWN, '/work')).sort()).toEqual([...names].sort())
  expect(deadlineOf(client, OWN)).toBe(deadlineMs)
})

describe('a deadline that the user set', () => {
  test.each([
    ['45000', 45_000],
    ['', 30_000],
    ['soon', 30_000],
    ['-1', 30_000],
  ])('MCP_TIMEOUT=%s', (value, deadlineMs) => {
    expect(deadlineOf(clientNamed('claude-code'), { MCP_TIMEOUT: value })).toBe(deadlineMs)
    expect(deadlineOf(clientNamed('codex'), { MCP_TIMEOUT: value })).toBe(10_000)
  })
})

test('an unknown client: the nearest names, else all', () => {
  expect(() => clientNamed('claude-dekstop')).toThrow(
    expect.objectContaining({ code: 'usage', hint: expect.stringContaining('"claude-desktop"') }),
  )
  expect(() => clientNamed('emacs')).toThrow(
    expect.objectContaining({ hint: `choose one of ${CLIENT_NAMES.join(', ')}` }),
  )
})
