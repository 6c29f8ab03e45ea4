import { describe, expect, it } from 'vitest'
import { holdsKnownToken } from '../../src/known-tokens.ts'
import { parseDuration } from '../../src/registry/duration.ts'
import { isExecutableName } from '../../src/registry/executable-name.ts'
import { isLoaderVariable } from '../../src/registry/loader-variables.ts'
import { signalName } from '../../src/registry/signals.ts'
import { isCpuQuota, isMemorySize, isSliceName, isTaskCount } from '../../src/registry/systemd-values.ts'

it.each([
  ['4h', 14_400_000],
  ['30s', 30_000],
  ['500ms', 500],
  ['7d', 604_800_000],
  ['1h30m', 5_400_000],
  ['1.5s', 1_500],
  ['0s', 0],
  ['30', undefined],
  ['', undefined],
  ['4 h', undefined],
  ['4H', undefined],
  ['-1s', undefined],
  ['1h30', undefined],
])('the duration %j is %s', (text, ms) => {
  expect(parseDuration(text)).toBe(ms)
})

describe('systemd takes', () => {
  it.each(['1', '1073741824', '512K', '512M', '1.5G', '2T', '50%', '12.5%', '100%', 'infinity'])(
    'memory %s',
    (text) => {
      expect(isMemorySize(text, 1)).toBe(true)
    },
  )
  it.each(['', '0', '0M', '0%', '1g', '1GB', '1GiB', '512 M', '1.5', '-1', '101%', '1e9', '9999999999T', 'max'])(
    'no memory %j',
    (text) => expect(isMemorySize(text, 1)).toBe(false),
  )
  it('no swap at all', () => expect(isMemorySize('0', 0)).toBe(true))
  it.each(['1%', '100%', '250%', '12.5%'])('quota %s', (text) => expect(isCpuQuota(text)).toBe(true))
  it.each(['', '100', '0%', '-5%', '1.234%', 'infinity', '99999999%'])('no quota %j', (text) =>
    expect(isCpuQuota(text)).toBe(false),
  )
  it.each(['1', '100', '10%', 'infinity'])('tasks %s', (text) => expect(isTaskCount(text)).toBe(true))
  it.each(['', '0', '-1', '1.5', '1K', '4294967296'])('no tasks %j', (text) => expect(isTaskCount(text)).toBe(false))
  it.each(['mcp-servers.slice', 'a.slice', 'a-b-c.slice', 'a_b.c:d.slice'])('slice %s', (text) =>
    expect(isSliceName(text)).toBe(true),
  )
  it.each([
    'mcp-servers',
    '.slice',
    '-.slice',
    '-a.slice',
    'a-.slice',
    'a--b.slice',
    'a/b.slice',
    'a b.slice',
    'a@b.slice',
    'ä.slice',
    `${'a'.repeat(250)}.slice`,
  ])('no slice %s', (text) => expect(isSliceName(text)).toBe(false))
})

it.each([
  ['TERM', 'TERM'],
  ['SIGKILL', 'KILL'],
  ['sigusr1', 'USR1'],
  ['SIG', undefined],
  ['15', undefined],
  ['SIGSIGTERM', undefined],
  ['INFO', undefined],
])('the signal %s is %s', (text, name) => {
  expect(signalName(text)).toBe(name)
})

it.each([
  'npx',
  '/usr/bin/env',
  '/opt/My Tools/server',
  './my server',
  '~/My Tools/x',
  '$' + '{HOME}/a b',
  '$' + '{X:-a b}',
])('%s is one executable', (command) => expect(isExecutableName(command)).toBe(true))
it.each(['npx -y foo', 'npx -y @scope/foo', ' npx', 'npx ', 'npx\tfoo', 'my dir/server'])(
  '%j is a shell line',
  (command) => expect(isExecutableName(command)).toBe(false),
)

const LETTERS = 'abcdefghij0123456789ABCDEFGHIJ0123456789'
it.each([
  `ghp_${LETTERS}`,
  `github_pat_${LETTERS}`,
  `sk-${LETTERS}`,
  `sk-ant-api03-${LETTERS}`,
  'xoxb-1234567890-abcdefghij',
  'AKIAABCDEFGHIJKLMNOP',
  'AGE-SECRET-KEY-1QQQQQQQQQQQQQQQ',
  `ops_${LETTERS}`,
  `glpat-${LETTERS}`,
  '-----BEGIN OPENSSH PRIVATE KEY-----\nabc',
  '-----BEGIN PRIVATE KEY-----',
  `Bearer ghp_${LETTERS}`,
  `--token=sk-${LETTERS}`,
])('%s holds a token', (text) => {
  expect(holdsKnownToken(text)).toBe(true)
})
it.each([
  '',
  'repos,issues',
  'task-1234567890123456789',
  'sk-learn-model-of-some-kind',
  'ghp_',
  'devops_team_of_the_year_2026',
])('%j holds none', (text) => expect(holdsKnownToken(text)).toBe(false))

it.each([
  'LD_PRELOAD',
  'DYLD_INSERT_LIBRARIES',
  'NODE_OPTIONS',
  'PATH',
  'BASH_ENV',
  'BASH_FUNC_ls%%',
  'GIT_CONFIG_KEY_0',
  'HOME',
  'XDG_RUNTIME_DIR',
  'ERL_AFLAGS',
  'GIT_CONFIG_COUNT',
])('%s is for loaders', (name) => expect(isLoaderVariable(name)).toBe(true))
it.each(['API_KEY', 'GITHUB_TOKEN', 'PATHS', 'PIP_INDEX_URL', 'constructor'])('%s is not', (name) =>
  expect(isLoaderVariable(name)).toBe(false),
)
