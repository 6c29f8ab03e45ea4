import { describe, expect, test } from 'vitest'
import { commandTree } from '../src/cli.ts'
import type { LaunchError } from '../src/errors.ts'
import { COMMANDS, parseInvocation } from '../src/invocation.ts'
import { testWorld } from './world.ts'

const launch = (server: string, extraArgs: string[] = [], registry?: string) => ({
  kind: 'launch',
  server,
  extraArgs,
  registry,
})

describe('a launch', () => {
  test.each<[string, ReturnType<typeof launch>]>([
    ['github', launch('github')],
    ['github -- --verbose -x', launch('github', ['--verbose', '-x'])],
    ['github --', launch('github')],
    ['github -- -- x', launch('github', ['--', 'x'])],
    ['github -- list', launch('github', ['list'])],
    ['--registry f github', launch('github', [], 'f')],
    ['--registry=f github', launch('github', [], 'f')],
    ['github --registry f -- --registry g', launch('github', ['--registry', 'g'], 'f')],
    ['run github', launch('github')],
    ['run list', launch('list')],
    ['run run', launch('run')],
    ['run github -- a', launch('github', ['a'])],
    ['--registry f run list', launch('list', [], 'f')],
  ])('%s', (line, expected) => {
    expect(parseInvocation(line.split(' '))).toEqual(expected)
  })
})

test.each([
  'list',
  'explain github',
  'explain github --json',
  '--help',
  '-h',
  '--version',
  '-V',
  'help',
  'run --help',
  'list --registry f',
])('a command: %s', (line) => {
  expect(parseInvocation(line.split(' '))).toEqual({ kind: 'command', argv: line.split(' ') })
})

test.each([
  ['--registry f list', 'list --registry f'],
  ['--registry=f list --json', 'list --json --registry=f'],
  ['--registry list list', 'list --registry list'],
  ['--registry f secrets refresh a b', 'secrets refresh a b --registry f'],
])('a command behind its registry: %s', (line, expected) => {
  expect(parseInvocation(line.split(' '))).toEqual({ kind: 'command', argv: expected.split(' ') })
})

test.each([
  ['github stdio', 'unexpected argument "stdio"'],
  ['github --verbose', 'unexpected argument "--verbose"'],
  ['--verbose github', 'unexpected argument "--verbose"'],
  ['run github stdio', 'unexpected argument "stdio"'],
  ['run', 'no server named'],
  ['--registry f', 'no server named'],
  ['--registry', 'no file given to "--registry"'],
  ['--registry= github', 'no file given to "--registry"'],
])('refused: %s', (line, message) => {
  expect(() => parseInvocation(line.split(' '))).toThrow(message)
  try {
    parseInvocation(line.split(' '))
  } catch (error) {
    expect((error as LaunchError).exitCode).toBe(2)
  }
})

test('every word that is a command has its command, and the other way round', () => {
  const names = commandTree(testWorld(), () => {}).commands.map((command) => command.name())
  expect([...names, 'help'].sort()).toEqual([...COMMANDS].sort())
})
