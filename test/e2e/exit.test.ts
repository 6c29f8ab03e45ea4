import { constants } from 'node:os'
import { describe, expect } from 'vitest'
import { type Artefact, artefacts, bundleWithoutExecve, executable } from './harness/artefacts.ts'
import { answers, INITIALIZE } from './harness/json-rpc.ts'
import type { Exit } from './harness/launched.ts'
import { outcome } from './harness/outcome.ts'
import { noManager } from './harness/provided.ts'
import { type Sandbox, test } from './harness/sandbox.ts'
import { server } from './harness/servers.ts'

const ALL_CODES = Array.from({ length: 256 }, (_, code) => code)

/** Those that a wrapper or the launcher itself could end with; who started the wrappers makes no difference to them. */
const TELLING_CODES = [0, 1, 2, 75, 125, 126, 127, 128, 137, 143, 203, 255]

/** Enough to keep the processors busy. */
const AT_ONCE = 8

/** How the launches of `it` end, each with one of these words as its extra argument. */
async function endsOf(sandbox: Sandbox, artefact: Artefact, words: readonly number[]): Promise<(number | null)[]> {
  const ends: (number | null)[] = []
  const rest = [...words.entries()]
  const work = async (): Promise<void> => {
    for (let next = rest.shift(); next !== undefined; next = rest.shift()) {
      const [index, word] = next
      const env = sandbox.envWithManager()
      const launched = await sandbox.launch(artefact, ['it', '--', String(word)], { env })
      ends[index] = (await launched.exited).code
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  return ends
}

describe.each(artefacts)('$name', (artefact) => {
  describe.each([{ scope: 'off' }, { scope: 'require' }])('with scope: $scope', ({ scope }) => {
    const lacksManager = scope === 'require' && noManager

    test.skipIf(lacksManager)('every exit code of the server is the exit code', async ({ sandbox }) => {
      sandbox.writeRegistry({ servers: { it: { ...server('exit-with'), scope } } })
      const codes = artefact === executable || scope === 'off' ? ALL_CODES : TELLING_CODES
      expect(await endsOf(sandbox, artefact, codes)).toEqual(codes)
      await sandbox.expectNothingLeft()
    })

    test.skipIf(lacksManager).for(['TERM', 'INT', 'HUP', 'KILL', 'PIPE'] as const)(
      'SIG%s ends the server',
      async (name, { sandbox }) => {
        sandbox.writeRegistry({ servers: { it: { ...server('wait-signal'), scope } } })
        const launched = await sandbox.launch(artefact, ['it'], { env: sandbox.envWithManager() })
        expect(await launched.firstLine()).toBe('ready')
        launched.kill(`SIG${name}`)
        expect(await launched.exited).toEqual({ code: null, signal: `SIG${name}` })
        await sandbox.expectNothingLeft()
      },
    )
  })

  test('a server that catches a signal decides itself', async ({ sandbox }) => {
    const script = 'trap "echo bye; exit 9" TERM; echo ready; while :; do sleep 0.01; done'
    sandbox.writeRegistry({ servers: { it: { command: 'sh', args: ['-c', script] } } })
    const launched = await sandbox.launch(artefact, ['it'])
    await launched.firstLine()
    launched.kill('SIGTERM')
    expect(await launched.exited).toEqual({ code: 9, signal: null })
    expect(launched.stdout().toString()).toBe('ready\nbye\n')
  })

  test('a server that writes where nobody reads ends by SIGPIPE', async ({ sandbox }) => {
    sandbox.writeRegistry({ servers: { it: { command: 'yes' } } })
    const script = '("$@"; echo "$?" >&2) | head -n 1'
    const { stdout, stderr } = await outcome(await sandbox.run(['sh', '-c', script, 'sh', ...artefact.argv, 'it']))
    expect({ stdout, stderr }).toEqual({ stdout: 'y\n', stderr: `${128 + constants.signals.SIGPIPE}\n` })
  })

  test.for([
    { what: 'isn’t there', command: 'no-such-command', code: 127 },
    { what: 'isn’t at its path', command: '/no/such/command', code: 127 },
    { what: 'has no interpreter', command: '~/no-interpreter', code: 127 },
    { what: 'isn’t executable', command: '~/not-executable', code: 126 },
    { what: 'is a directory', command: '~', code: 126 },
    { what: 'is an empty file', command: '~/empty', code: 126 },
    { what: 'is a text', command: '~/text', code: 126 },
  ])('$code for a command that $what', async ({ command, code }, { sandbox }) => {
    sandbox.writeFile('no-interpreter', '#!/no/such/interpreter\n', 0o700)
    sandbox.writeFile('not-executable', '#!/bin/sh\n', 0o600)
    sandbox.writeFile('empty', '', 0o700)
    sandbox.writeFile('text', 'hello\n', 0o700)
    sandbox.writeRegistry({ servers: { it: { command } } })
    const end = await outcome(await sandbox.launch(artefact, ['it']))
    expect(end).toMatchObject({ code, signal: null, stdout: '' })
    expect(end.stderr).toMatch(/^mcp-launch: error: can't start server "it", .+\nmcp-launch: hint: .+\n$/)
  })
})

test('a Node without execve says what to do, and speaks MCP', async ({ sandbox, skip }) => {
  const old = bundleWithoutExecve()
  if ('unavailable' in old) return skip(old.unavailable)
  sandbox.writeRegistry({ servers: { it: server('report') } })
  const { stdout, stderr, ...exit } = await outcome(await sandbox.launch(old, ['it']), INITIALIZE)
  expect(exit).toEqual({ code: 1, signal: null } satisfies Exit)
  expect(stderr).toMatch(
    /^mcp-launch: error: can't start server "it": node 20\S+ can't replace itself by another program \(no execve\)\n/,
  )
  expect(stderr).toContain('mcp-launch: hint: use node 22.15 or newer, or the native mcp-launch executable')
  expect(answers(stdout)).toMatchObject([{ id: 0, error: { message: expect.stringContaining('use node 22.15 or') } }])
})

test('a Node from before getBuiltinModule comes so far that it can say so', async ({ sandbox, skip }) => {
  const old = bundleWithoutExecve()
  if ('unavailable' in old) return skip(old.unavailable)
  const [node = '', ...words] = old.argv
  const older = sandbox.writeFile('older.cjs', 'delete process.getBuiltinModule; delete Array.prototype.toSorted')
  sandbox.writeRegistry({ servers: { it: server('report') } })
  const launched = await sandbox.run([node, '--require', older, ...words, 'it'])
  const { stdout, stderr, code } = await outcome(launched, INITIALIZE)
  expect(code).toBe(1)
  expect(stderr).toContain('hint: use node 22.15 or newer')
  expect(stdout).toContain('use node 22.15 or newer')
})
