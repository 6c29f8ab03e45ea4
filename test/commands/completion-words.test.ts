import { expect, test } from 'vitest'
import { commandTree } from '../../src/cli.ts'
import { completionWords } from '../../src/commands/completion-words.ts'
import { testWorld } from '../world.ts'

const CHOICES = {
  server: () => ['mine', 'timer'],
  'server-or-unit': () => ['mine'],
  client: () => ['codex'],
  shell: () => ['bash'],
  command: () => ['gc'],
}

test.each<[string, string[]]>([
  ['m', ['mine']],
  ['ti', ['timer']],
  ['he', ['help']],
  ['run ', ['mine', 'timer']],
  ['mine ', []],
  ['check mine ', ['mine', 'timer']],
  ['check -', ['--registry', '--json', '--as', '--help']],
  ['check --as ', ['codex']],
  ['check --as codex m', ['mine']],
  ['check --registry ', []],
  ['explain mine ', []],
  ['logs --lines 3 m', ['mine']],
  ['logs -', ['--registry', '--json', '--follow', '--lines', '--help']],
  ['secrets ', ['refresh', 'status', 'clear']],
  ['secrets refresh --', ['--registry', '--json', '--scheduled', '--help']],
  ['timer status ', []],
  ['stop ', ['mine']],
  ['stop --client ', []],
  ['gc --d', ['--dry-run']],
  ['help ', ['gc']],
  ['mine -- ', []],
  ['--', ['--version', '--help', '--registry']],
  ['--registry file m', ['mine']],
  ['run --r', ['--registry']],
])('mcp-launch %s', (line, offered) => {
  expect(
    completionWords(
      commandTree(testWorld(), () => {}),
      CHOICES,
      line.split(' '),
    ),
  ).toEqual(offered)
})
