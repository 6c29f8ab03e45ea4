import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect } from 'vitest'
import { type Artefact, artefacts } from './harness/artefacts.ts'
import { DEMO_REF, plantDemoSecret } from './harness/demo-secret.ts'
import { answers, INITIALIZE, notification, request } from './harness/json-rpc.ts'
import { withoutManager } from './harness/no-manager.ts'
import { ended, outcome } from './harness/outcome.ts'
import { ROOT } from './harness/root.ts'
import { type Sandbox, test } from './harness/sandbox.ts'
import { server } from './harness/servers.ts'

/** A launch of `it` that can't end well. */
interface Failure {
  readonly what: string
  readonly code: number
  /** What stderr says, less the sandbox's home. */
  readonly says: readonly string[]
  arrange(sandbox: Sandbox): void
  readonly args?: readonly string[]
  /** The beginning of the argv. */
  readonly prefix?: readonly string[]
}

function registered(entry: object): (sandbox: Sandbox) => void {
  return (sandbox) => void sandbox.writeRegistry({ servers: { it: entry } })
}

const WRONG_KEY = readFileSync(join(ROOT, 'test', 'fixtures', 'sops', 'keys', 'TEST-ONLY-second.txt'))

const FAILURES: readonly Failure[] = [
  {
    what: 'no registry',
    code: 2,
    says: ['no registry: looked for servers.yaml, servers.yml, servers.json in ~/.config/mcp', 'hint: mcp-launch init'],
    arrange() {},
  },
  {
    what: 'a registry with several problems',
    code: 2,
    says: ['comand', 'memoryMaks', 'did you mean "memoryMax"', 'hint: '],
    arrange: (sandbox) =>
      void sandbox.writeRegistry(`
servers:
  it:
    comand: npx
    limits: { memoryMaks: 1G }
`),
  },
  {
    what: 'a registry that is no YAML',
    code: 2,
    says: ['servers.yaml'],
    arrange: (sandbox) => void sandbox.writeRegistry('servers: [\n'),
  },
  {
    what: 'a registry that others can write',
    code: 2,
    says: ['refusing registry "~/.config/mcp/servers.yaml": others can write it', 'hint: chmod go-w ~/.config/mcp/'],
    arrange: (sandbox) => void sandbox.writeFile(sandbox.registry, 'servers: {}', 0o666),
  },
  {
    what: 'an unknown server',
    code: 2,
    says: ['unknown server "it": it is not in ~/.config/mcp/servers.yaml', 'hint: '],
    arrange: (sandbox) => void sandbox.writeRegistry({ servers: { other: server('report') } }),
  },
  {
    what: 'a server that is switched off',
    code: 2,
    says: ['can\'t launch server "it": it has "enabled: false"', 'hint: take that line out'],
    arrange: registered({ ...server('report'), enabled: false }),
  },
  {
    what: 'words after the server without --',
    code: 2,
    says: ['unexpected argument "more"', 'mcp-launch it -- more'],
    arrange: registered(server('report')),
    args: ['more'],
  },
  {
    what: 'secrets that are missing',
    code: 1,
    says: ['can\'t resolve "env:NOT_SET": NOT_SET is not set', 'can\'t resolve "file:nowhere": no such file', 'hint: '],
    arrange: registered({ ...server('report'), secrets: { A: 'env:NOT_SET', B: 'file:nowhere' } }),
  },
  {
    what: 'a secret that is unavailable for now',
    code: 75,
    says: ['can\'t resolve "command sh": it ended with 75: the vault is locked', 'hint: '],
    arrange: registered({
      ...server('report'),
      secrets: { A: { command: ['sh', '-c', 'echo the vault is locked >&2; exit 75'] } },
    }),
  },
  {
    what: 'a wrong SOPS key',
    code: 1,
    says: ['~/.config/mcp/secrets/demo.yaml', 'hint: '],
    arrange(sandbox) {
      plantDemoSecret(sandbox)
      sandbox.writeFile('.config/sops/age/keys.txt', WRONG_KEY)
      registered({ ...server('report'), secrets: { A: DEMO_REF } })(sandbox)
    },
  },
  {
    what: 'no SOPS key',
    code: 1,
    says: ['~/.config/mcp/secrets/demo.yaml', 'hint: '],
    arrange(sandbox) {
      plantDemoSecret(sandbox)
      sandbox.writeFile('.config/sops/age/keys.txt', '')
      registered({ ...server('report'), secrets: { A: DEMO_REF } })(sandbox)
    },
  },
  {
    what: 'a command that isn’t found',
    code: 127,
    says: ['can\'t start server "it", command not found "no-such-command": looked in /', 'hint: install'],
    arrange: registered({ command: 'no-such-command' }),
  },
  {
    what: 'a command that isn’t executable',
    code: 126,
    says: ['can\'t start server "it", not executable "~/plain": no permission to execute it', 'hint: chmod +x ~/plain'],
    arrange(sandbox) {
      registered({ command: sandbox.writeFile('plain', 'text') })(sandbox)
    },
  },
  {
    what: 'a working directory that isn’t there',
    code: 1,
    says: ['can\'t start server "it", no such directory "~/nowhere"', 'hint: make it'],
    arrange: registered({ ...server('report'), cwd: '~/nowhere' }),
  },
  {
    what: 'a working directory that can’t be entered',
    code: 1,
    says: ['can\'t start server "it", can\'t enter directory "~/', '": name too long', 'hint: mend "cwd"'],
    arrange: registered({ ...server('report'), cwd: `~/${'x'.repeat(300)}` }),
  },
  {
    what: 'a variable that isn’t set',
    code: 2,
    says: ['server "it": args[0] ', 'NOT_SET', 'hint: '],
    arrange: registered({ command: 'sh', args: [`$${'{NOT_SET}'}`] }),
  },
  {
    what: 'no HOME',
    code: 2,
    says: ["can't find the home directory: HOME is not set", 'hint: let the client pass HOME on'],
    arrange: registered(server('report')),
    prefix: ['env', '-u', 'HOME'],
  },
  ...managerless(),
]

/** A launch that finds no user manager; none where that can't be arranged: scope.test.ts skips with the reason. */
function managerless(): Failure[] {
  const nowhere = withoutManager()
  if ('unavailable' in nowhere) return []
  return [
    {
      what: 'a scope that can’t be had',
      code: 1,
      says: ['can\'t give a scope to server "it": no ', 'hint: start a user manager'],
      arrange: registered({ ...server('report'), scope: 'require' }),
      ...nowhere,
    },
  ]
}

async function launchOf(artefact: Artefact, sandbox: Sandbox, { arrange, args = [], prefix = [] }: Failure) {
  arrange(sandbox)
  return await sandbox.launch(artefact, ['it', ...args], { prefix })
}

describe.each(artefacts)('$name', (artefact) => {
  test.for(FAILURES)('$what: $code, and the client is told', async (failure, { sandbox }) => {
    const launched = await launchOf(artefact, sandbox, failure)
    const { stdout, stderr, ...end } = await outcome(launched, INITIALIZE)
    expect(end).toEqual({ code: failure.code, signal: null })
    const lines = stderr.replaceAll(sandbox.home, '~')
    for (const words of failure.says) expect(lines).toContain(words)
    expect(lines).toMatch(/^(mcp-launch: (error|hint): .+\n)+$/)
    expect(answers(stdout)).toEqual([
      { jsonrpc: '2.0', id: 0, error: { code: -32_000, message: sentence(stderr), data: { exitCode: failure.code } } },
    ])
    await sandbox.expectNothingLeft()
  })

  test.for(FAILURES)('$what: without a request stdout is empty', async (failure, { sandbox }) => {
    const { stdout, code } = await outcome(await launchOf(artefact, sandbox, failure))
    expect({ stdout, code }).toEqual({ stdout: '', code: failure.code })
  })

  test.for([
    { what: 'another request', input: request('a-1', 'tools/list'), id: 'a-1' },
    { what: 'notifications first', input: notification('notifications/cancelled') + request(7, 'ping'), id: 7 },
    { what: 'no JSON first', input: `hello\n\n{}\n[]\nnull\n${request(3, 'ping')}`, id: 3 },
    { what: 'two requests', input: request(1, 'ping') + request(2, 'ping'), id: 1 },
    { what: 'a request without a line end', input: request(5, 'ping').trimEnd(), id: 5 },
    { what: 'a batch', input: `[${request(8, 'ping').trimEnd()},${request(9, 'ping').trimEnd()}]\n`, id: 8 },
    { what: 'an answer', input: '{"jsonrpc":"2.0","id":1,"result":{}}\n', id: undefined },
    { what: 'a notification alone', input: notification('notifications/initialized'), id: undefined },
  ])('$what: the first request is answered', async ({ input, id }, { sandbox }) => {
    const { stdout, code } = await outcome(await sandbox.launch(artefact, ['it']), input)
    expect(code).toBe(2)
    expect(answers(stdout).map((answer) => answer.id)).toEqual(id === undefined ? [] : [id])
  })

  test('a request that comes late and in pieces is answered', async ({ sandbox }) => {
    registered({ command: 'no-such-command' })(sandbox)
    const launched = await sandbox.launch(artefact, ['it'])
    launched.stdin.write(notification('notifications/initialized'))
    for (const piece of INITIALIZE.match(/.{1,40}/gs) ?? []) {
      await new Promise((resolve) => launched.stdin.write(piece, resolve))
    }
    const { stdout, code } = await ended(launched)
    expect(code).toBe(127)
    expect(answers(stdout)).toMatchObject([{ id: 0 }])
  })

  test('a client that never says anything is waited for as long as resolveTimeout', async ({ sandbox }) => {
    sandbox.writeRegistry({ cache: { resolveTimeout: '1s' }, servers: { it: { command: 'no-such-command' } } })
    const began = performance.now()
    const { stdout, code } = await ended(await sandbox.launch(artefact, ['it']))
    const took = performance.now() - began
    expect({ stdout, code }).toEqual({ stdout: '', code: 127 })
    expect(took).toBeGreaterThan(950)
    // The default would be 4 s.
    expect(took).toBeLessThan(3_900)
  })

  test('a client that closes its ends is no reason to stay', async ({ sandbox }) => {
    const script = '"$@" <&- >&- 2>&-; echo "$?"'
    const { stdout } = await outcome(await sandbox.run(['sh', '-c', script, 'sh', ...artefact.argv, 'it']))
    expect(['1\n', '2\n']).toContain(stdout)
    await sandbox.expectNothingLeft()
  })

  test('a client that asks and reads no answer changes nothing about the exit status', async ({ sandbox }) => {
    registered({ command: 'no-such-command' })(sandbox)
    const script = '{ "$@"; echo "ended with $?" >&2; } | true'
    const client = await sandbox.run(['sh', '-c', script, 'sh', ...artefact.argv, 'it'])
    const { stderr } = await outcome(client, INITIALIZE)
    expect(stderr).toMatch(/^mcp-launch: error: .+\nmcp-launch: hint: .+\nended with 127\n$/)
  })

  test('in a terminal it only prints', { timeout: 20_000 }, async ({ sandbox, skip }) => {
    if (!existsSync('/usr/bin/script')) return skip('no script(1) here')
    sandbox.writeRegistry({ cache: { resolveTimeout: '60s' }, servers: { it: { command: 'no-such-command' } } })
    const command = [...artefact.argv, 'it'].map((word) => `'${word}'`).join(' ')
    const { code, stdout } = await ended(await sandbox.run(['script', '-qec', command, '/dev/null']))
    expect(code).toBe(127)
    expect(stdout.replaceAll('\r', '')).toMatch(/^mcp-launch: error: .+\nmcp-launch: hint: .+\n$/)
  })

  test('the SDK’s client shows the reason and what to do', async ({ sandbox }) => {
    registered({ ...server('report'), secrets: { TOKEN: 'file:nowhere' } })(sandbox)
    const failed: unknown = await sandbox.connect(artefact, ['it']).catch((error: Error) => error.cause)
    expect(failed).toMatchObject({
      message:
        'MCP error -32000: mcp-launch: can\'t resolve "file:nowhere": ' +
        `no such file ${sandbox.home}/.config/mcp/nowhere (hint: make the file, or mend the reference)`,
      data: { exitCode: 1 },
    })
    await sandbox.expectNothingLeft()
  })
})

/** What stderr says, as one sentence. */
function sentence(stderr: string): string {
  const said = stderr
    .trimEnd()
    .replaceAll(/\nmcp-launch: hint: (.+)/g, ' (hint: $1)')
    .replaceAll(/\n?mcp-launch: error: /g, '; ')
  return `mcp-launch: ${said.slice(2)}`
}
