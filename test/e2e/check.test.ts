import { constants, copyFileSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect } from 'vitest'
import { type Artefact, artefacts, bundle, executable } from './harness/artefacts.ts'
import { DEMO_REF, DEMO_SECRET, encryptedDemo, plantDemoSecret } from './harness/demo-secret.ts'
import { describeUnless } from './harness/describe-unless.ts'
import { withoutManager } from './harness/no-manager.ts'
import { type Outcome, outcome } from './harness/outcome.ts'
import { noLimits, noManager } from './harness/provided.ts'
import { ROOT } from './harness/root.ts'
import { type LaunchOptions, type Sandbox, test } from './harness/sandbox.ts'
import { server } from './harness/servers.ts'
import { waitFor } from './harness/wait-for.ts'

const BIN = join(ROOT, 'node_modules', '.bin')
const GOLDEN = join(ROOT, 'test', 'fixtures', 'check')
const TOKEN_CANARY = 'ops_canary-of-a-token-that-is-none'
const WRONG_KEY = readFileSync(join(ROOT, 'test', 'fixtures', 'sops', 'keys', 'TEST-ONLY-second.txt'))

/** What no output may hold. */
const CANARIES = [DEMO_SECRET, DEMO_SECRET.slice(0, 12), Buffer.from(DEMO_SECRET).toString('base64'), TOKEN_CANARY]

/** Runs `mcp-launch check …` to its end; nothing secret is in what it says, and nothing that it started is left. */
async function check(
  sandbox: Sandbox,
  artefact: Artefact,
  args: readonly string[] = [],
  options?: LaunchOptions,
): Promise<Outcome> {
  const ended = await outcome(await sandbox.launch(artefact, ['check', ...args], options))
  for (const canary of CANARIES) expect(ended.stdout + ended.stderr).not.toContain(canary)
  await sandbox.expectNothingLeft()
  return ended
}

/** Without what differs from machine to machine and from run to run. */
function stable(sandbox: Sandbox, text: string): string {
  return text
    .replaceAll(sandbox.home, '~')
    .replaceAll(ROOT, '<project>')
    .replace(/\b\d+ ms\b/g, '… ms')
    .replace(/\b\d+ %/g, '… %')
    .replace(/\(\d+ files\)/, '(… files)')
    .replace(/("readyMs": )\d+/g, '$1"…"')
}

/** The findings without the line that counts them: what systemd has to say differs from machine to machine. */
function findings(sandbox: Sandbox, stdout: string): string {
  return without('systemd', stable(sandbox, stdout).replace(/\n[^\n]*\d ok\n$/, '\n'))
}

/** The lines of one finding after the other, but those of some area. */
function without(area: string, text: string): string {
  return text
    .split(/\n(?! )/)
    .filter((finding) => finding.slice(9).split(' ')[0] !== area)
    .join('\n')
}

/** An MCP server that answers the handshake and then goes its own way. */
function answering(then: string, protocol = '2025-06-18'): { command: string; args: string[] } {
  const answer = `{ protocolVersion: '${protocol}', capabilities: { tools: {} }, serverInfo: { name: 'it', version: '1' } }`
  const script = `require('readline').createInterface({ input: process.stdin }).on('line', (line) => {
    const { id, method } = JSON.parse(line)
    if (method === 'initialize') console.log(JSON.stringify({ jsonrpc: '2.0', id, result: ${answer} }))
    if (method === 'tools/list') { ${then} }
  })`
  return { command: process.execPath, args: ['-e', script] }
}

const NO_TOOLS = `console.log(JSON.stringify({ jsonrpc: '2.0', id, result: { tools: [] } }))`

const sh = (script: string) => ({ command: 'sh', args: ['-c', script] })

/** It heeds no end, has a child in a session of its own, and no scope that would end them. */
const STUBBORN = {
  ...sh(`trap '' TERM INT HUP; setsid sleep 1000 & while :; do sleep 1; done`),
  scope: 'off',
  deathSignal: 'off',
}

/** Has that signal end a check while its server runs; nothing is left the moment that it has. */
async function interrupted(sandbox: Sandbox, artefact: Artefact, signal: NodeJS.Signals): Promise<Outcome> {
  const checking = await sandbox.launch(artefact, ['check'])
  const isUp = async () => (await sandbox.leftovers()).some((one) => one.endsWith('sleep 1000'))
  await waitFor(isUp, { what: 'the server' })
  checking.kill(signal)
  const ended = await outcome(checking)
  await sandbox.expectNothingLeft(1_000)
  return ended
}

/** A set-up in which `it` can't work; the golden file has what is found. */
interface Broken {
  readonly what: string
  readonly code: number
  arrange(sandbox: Sandbox): void
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

function registered(entry: object, extra: object = {}): (sandbox: Sandbox) => void {
  return (sandbox) => void sandbox.writeRegistry({ ...extra, servers: { it: entry } })
}

function withDemo(entry: object, change: (sandbox: Sandbox) => void = () => {}): (sandbox: Sandbox) => void {
  return (sandbox) => {
    plantDemoSecret(sandbox)
    registered({ ...entry, secrets: { API_KEY: DEMO_REF } })(sandbox)
    change(sandbox)
  }
}

const LEAKS = `echo "no database at db://$API_KEY@host" >&2
  printf '%s' "$API_KEY" | base64 >&2
  printf 'in \\033[31mpieces\\033[0m: %s\\033[1m%s\\n' "$(printf %.14s "$API_KEY")" "$\${API_KEY#??????????????}" >&2
  exit 3`

const BROKEN: readonly Broken[] = [
  { what: 'no registry', code: 2, arrange() {} },
  {
    what: 'invalid registry',
    code: 2,
    arrange: (sandbox) =>
      void sandbox.writeRegistry('servers:\n  it:\n    comand: npx\n    limits: { memoryMaks: 1G }\n'),
  },
  {
    what: 'registry that others can write',
    code: 2,
    arrange: (sandbox) => void sandbox.writeFile(sandbox.registry, 'servers: {}', 0o666),
  },
  { what: 'unknown server', code: 2, arrange: registered(answering(NO_TOOLS)), args: ['if'] },
  {
    what: 'named like a command',
    code: 1,
    arrange: (sandbox) => void sandbox.writeRegistry({ servers: { list: { command: 'no-such-command' } } }),
  },
  {
    what: 'key file that others can read',
    code: 1,
    arrange: withDemo(answering(NO_TOOLS), (sandbox) => {
      sandbox.writeFile('.config/sops/age/keys.txt', readFileSync(join(ROOT, 'examples', 'demo-age-key.txt')), 0o644)
    }),
  },
  {
    what: 'wrong sops key',
    code: 1,
    arrange: withDemo(answering(NO_TOOLS), (sandbox) => {
      sandbox.writeFile('.config/sops/age/keys.txt', WRONG_KEY)
    }),
  },
  {
    what: 'damaged age key',
    code: 1,
    arrange: withDemo(answering(NO_TOOLS), (sandbox) => {
      sandbox.writeFile('.config/sops/age/keys.txt', '# mine\nAGE-SECRET-KEY-1NOTONE\n')
    }),
  },
  {
    what: 'changed sops file',
    code: 1,
    arrange: withDemo(answering(NO_TOOLS), (sandbox) => {
      sandbox.writeFile('.config/mcp/secrets/demo.yaml', `NODE_OPTIONS: --require=/tmp/x\n${encryptedDemo()}`)
    }),
  },
  {
    what: 'broken sops mac',
    code: 1,
    arrange: withDemo(answering(NO_TOOLS), (sandbox) => {
      const later = encryptedDemo().replace(/lastmodified: "\d{4}/, 'lastmodified: "2031')
      sandbox.writeFile('.config/mcp/secrets/demo.yaml', later)
    }),
  },
  {
    what: 'missing secret file',
    code: 1,
    arrange: registered({ ...answering(NO_TOOLS), secrets: { A: 'file:nowhere' } }),
  },
  {
    what: 'secret file that others can read',
    code: 1,
    arrange(sandbox) {
      sandbox.writeFile('.config/mcp/token', DEMO_SECRET, 0o644)
      registered({ ...answering(NO_TOOLS), secrets: { A: 'file:token' } })(sandbox)
    },
  },
  {
    what: 'variable that is not set',
    code: 1,
    arrange: registered({
      ...answering(NO_TOOLS),
      secrets: { A: 'env:NOT_SET', B: { from: 'env:NOR_THIS', required: false } },
    }),
  },
  {
    what: 'command secret that fails',
    code: 1,
    arrange: registered({
      ...answering(NO_TOOLS),
      secrets: { A: { command: ['sh', '-c', 'echo no such vault >&2; exit 4'] } },
    }),
  },
  {
    what: 'source that is unavailable',
    code: 75,
    arrange: registered({
      ...answering(NO_TOOLS),
      secrets: { A: { command: ['sh', '-c', 'echo locked >&2; exit 75'] } },
    }),
  },
  {
    what: 'malformed 1password token',
    code: 1,
    arrange: registered({ ...answering(NO_TOOLS), secrets: { A: 'op://v/i/f' } }),
    env: { OP_SERVICE_ACCOUNT_TOKEN: TOKEN_CANARY },
  },
  { what: 'command not found', code: 1, arrange: registered({ command: 'no-such-command' }) },
  {
    what: 'garbage on stdout',
    code: 1,
    arrange: registered(sh('echo "Listening on stdio"; echo "{\\"level\\": \\"info\\"}"; cat >/dev/null')),
    args: ['--as', 'opencode'],
  },
  { what: 'floods stdout', code: 1, arrange: registered(sh('exec yes starting up 2>/dev/null')) },
  { what: 'exits at once', code: 1, arrange: withDemo(sh(LEAKS)) },
  { what: 'hangs', code: 1, arrange: registered(sh('cat >/dev/null')), args: ['--as', 'opencode'] },
  {
    what: 'hangs, MCP_TIMEOUT',
    code: 1,
    arrange: registered(sh('cat >/dev/null')),
    args: ['--as', 'claude-code'],
    env: { MCP_TIMEOUT: '1000' },
  },
  { what: 'closes stdout', code: 1, arrange: registered(sh('exec >&-; cat >/dev/null')) },
  { what: 'unknown protocol version', code: 1, arrange: registered(answering(NO_TOOLS, '1999-12-31')) },
  {
    what: 'crashes after initialize',
    code: 1,
    arrange: registered(answering('console.error("boom"); process.exit(9)')),
  },
  {
    what: 'refuses to list its tools',
    code: 1,
    arrange: withDemo(
      answering(
        `console.log(JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32603, message: 'bad key ' + process.env.API_KEY } }))`,
      ),
    ),
  },
  {
    what: 'secret that is made anew',
    code: 1,
    arrange(sandbox) {
      const file = sandbox.writeFile('value', DEMO_SECRET)
      const secret = { from: { command: ['sh', '-c', 'cat "$1"; echo $$', 'sh', file] }, cache: false }
      registered({ ...sh('echo "$A" >&2; exit 1'), secrets: { A: secret } })(sandbox)
    },
  },
]

describe('a broken set-up is found, with its cause and what to do', () => {
  test.for(BROKEN)('$what', async ({ what, code, arrange, args, env }, { sandbox }) => {
    arrange(sandbox)
    const { stdout, ...end } = await check(sandbox, executable, args, env === undefined ? {} : { env })
    expect(end).toEqual({ code, signal: null, stderr: '' })
    await expect(findings(sandbox, stdout)).toMatchFileSnapshot(join(GOLDEN, `${what.replace(/\W+/g, '-')}.txt`))
  })

  test('a cache that can’t be written', async ({ sandbox, skip }) => {
    if (process.getuid?.() !== 0) return skip('only root can mount')
    registered(answering(NO_TOOLS))(sandbox)
    const directory = join(sandbox.home, '.cache')
    sandbox.writeFile('.cache/mcp-launch/it', '')
    const mount = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && exec "$@"'
    const prefix = ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', mount, 'sh', directory]
    const { stdout, code } = await check(sandbox, executable, [], { prefix })
    expect(code).toBe(0)
    expect(stable(sandbox, stdout)).toContain(`\
warning  permissions  can't write to "~/.cache/mcp-launch": read-only file system; every start asks for all secrets anew and takes longer
                      hint: make it a directory that you can write to: ls -ld ~/.cache/mcp-launch
`)
  })

  test('a cache whose directory is a file', async ({ sandbox }) => {
    registered(answering(NO_TOOLS))(sandbox)
    sandbox.writeFile('.cache/mcp-launch', '')
    const { stdout, code } = await check(sandbox, executable)
    expect(code).toBe(0)
    expect(stable(sandbox, stdout)).toContain('can\'t write to "~/.cache/mcp-launch": already exists; every start asks')
  })

  test.for([
    ['require', 1, 'error  '],
    ['auto', 0, 'warning'],
    ['off', 0, 'note   '],
  ] as const)('no user manager, scope: %s', async ([scope, code, severity], { sandbox, skip }) => {
    const nowhere = withoutManager()
    if ('unavailable' in nowhere) return skip(nowhere.unavailable)
    registered({ ...answering(NO_TOOLS), scope })(sandbox)
    const ended = await check(sandbox, executable, [], nowhere)
    expect(ended.code).toBe(code)
    expect(ended.stdout).toMatch(
      new RegExp(
        `^${severity}  systemd      no user manager: no .*: no limits, and what a server leaves behind isn't ended\n {22}hint: loginctl enable-linger`,
        'm',
      ),
    )
  })

  test('a log that goes nowhere', async ({ sandbox, skip }) => {
    if (existsSync('/run/systemd/journal/stdout')) return skip('there is a journal here')
    registered({ ...answering(NO_TOOLS), logs: 'journal' })(sandbox)
    const { stdout, code } = await check(sandbox, executable)
    expect(code).toBe(0)
    expect(stdout).toMatch(/^warning +server +no log of server "it": (no journal|there is no systemd-cat)/m)
  })

  test('an unknown client', async ({ sandbox }) => {
    const { code, stderr } = await check(sandbox, executable, ['--as', 'code'])
    expect(code).toBe(2)
    expect(stderr).toBe(
      'mcp-launch: error: unknown client "code"\nmcp-launch: hint: did you mean "codex" or "vscode"?\n',
    )
  })
})

function writeHealthy(sandbox: Sandbox): void {
  plantDemoSecret(sandbox)
  sandbox.writeRegistry(`
servers:
  weather:
    command: mcp-server-everything
    args: [stdio]
    path: [${BIN}]
    secrets: { WEATHER_API_KEY: ${DEMO_REF} }
    limits: { memoryMax: 1G, tasksMax: 100 }
  vars: ${JSON.stringify(server('mcp-env'))}
  off: { command: off, enabled: false }
`)
}

describe.each(artefacts)('$name', (artefact) => {
  test.for([{ as: [] }, { as: ['--as', 'codex'] }, { as: ['--as', 'claude-desktop'] }])(
    'all is well, $as',
    async ({ as: args }, { sandbox }) => {
      writeHealthy(sandbox)
      const { stdout, ...end } = await check(sandbox, artefact, args)
      expect(end).toEqual({ code: 0, signal: null, stderr: '' })
      const [first, ...rest] = findings(sandbox, stdout).split(/(?=^ok +server )/m)
      // The quicker server is told of first.
      const text = [first, ...rest.sort()].join('')
      await expect(text).toMatchFileSnapshot(join(GOLDEN, `healthy${args.join('-')}.txt`))
    },
  )

  test('--json: the same as data, and the exit status', async ({ sandbox }) => {
    writeHealthy(sandbox)
    const { stdout, code } = await check(sandbox, artefact, ['--json', 'weather', 'off'])
    expect(code).toBe(0)
    const { exitCode, findings } = JSON.parse(stable(sandbox, stdout)) as {
      exitCode: number
      findings: { area: string }[]
    }
    expect(exitCode).toBe(0)
    const text = JSON.stringify(
      findings.filter(({ area }) => area !== 'systemd'),
      null,
      2,
    )
    await expect(`${text}\n`).toMatchFileSnapshot(join(GOLDEN, 'healthy.json'))
  })

  test('a failed server as data', async ({ sandbox }) => {
    withDemo(sh(LEAKS))(sandbox)
    const { stdout, code } = await check(sandbox, artefact, ['--json'])
    expect(code).toBe(1)
    const { exitCode, findings } = JSON.parse(stable(sandbox, stdout)) as { exitCode: number; findings: object[] }
    expect(exitCode).toBe(1)
    expect(findings.at(-1)).toEqual({
      severity: 'error',
      area: 'server',
      subject: 'it',
      what: 'server',
      why: 'it ended before it answered "initialize" (exit status 3)',
      action: 'start it by hand and see what it says: mcp-launch run it',
      code: 'failure',
      handshake: { readyMs: '…', deadlineMs: null, exitCode: 3, signal: null },
      stderr: ['no database at db://[redacted]@host', '[redacted]', 'in pieces: [redacted]'],
    })
  })

  test('--as: the server has that client’s variables and the mark, and no others', async ({ sandbox }) => {
    registered({
      command: process.execPath,
      args: ['-e', 'console.error(Object.keys(process.env).sort().join(" ")); process.exit(1)'],
      scope: 'off',
    })(sandbox)
    const env = { LANG: 'C.UTF-8', TMPDIR: '/tmp', XDG_DATA_HOME: '/x', COLOUR: 'blue' }
    const six = 'HOME LOGNAME MCP_LAUNCH_CHECK PATH SHELL TERM USER'
    const codex = await check(sandbox, artefact, ['--as', 'codex'], { env })
    expect(codex.stdout).toContain('stderr: HOME LANG LOGNAME MCP_LAUNCH_CHECK PATH SHELL TERM TMPDIR USER\n')
    const desktop = await check(sandbox, artefact, ['--as', 'claude-desktop'], { env })
    expect(desktop.stdout).toContain(`stderr: ${six}\n`)
    const crush = await check(sandbox, artefact, ['--as', 'crush'], { env })
    expect(crush.stdout).toContain(`stderr: COLOUR HOME LANG LOGNAME MCP_LAUNCH_CHECK MCP_TEST_SANDBOX PATH`)
  })

  test('it works, and it is odd: logs on stdout, heeds no end of input, leaves a child', async ({ sandbox }) => {
    const { command, args } = answering(NO_TOOLS)
    const stubborn = `setInterval(() => {}, 1000); console.log('up and running'); ${args[1]}`
    registered({
      command: 'sh',
      args: ['-c', 'setsid sleep 1000 >/dev/null 2>&1 </dev/null & exec "$@"', 'sh', command, '-e', stubborn],
    })(sandbox)
    const { stdout, code } = await check(sandbox, artefact)
    expect(code).toBe(0)
    expect(stdout).toMatch(/^ok +server +server "it": ready in \d+ ms \(it 1, protocol 2025-06-18, 0 tools\)$/m)
    expect(stdout).toContain(
      'warning  server       server "it": it wrote 1 line to stdout that is no MCP: up and running\n',
    )
    expect(stdout).toContain(
      'note     server       server "it": the end of its input doesn\'t end it: it took SIGTERM\n',
    )
    expect(stdout).toContain('note     server       server "it": it left processes behind, which were ended: sleep\n')
  })

  test.for([
    { what: 'lines', script: 'exec yes' },
    { what: 'one line', script: 'exec cat /dev/zero' },
    { what: 'a message without end', script: 'cat /dev/zero | tr "\\0" "{"' },
  ])('a flood on stdout: $what', async ({ script }, { sandbox }) => {
    registered(sh(script))(sandbox)
    const { stdout, code } = await check(sandbox, artefact)
    expect(code).toBe(1)
    expect(stdout).toContain('server "it": it floods stdout with what is no MCP')
    expect(stdout).toContain('hint: have it write its log to stderr')
  })

  test.for([
    { what: 'messages', script: `exec yes '{"jsonrpc":"2.0","method":"notifications/message"}'` },
    { what: 'stderr', script: 'yes >&2; exit' },
  ])('a flood of $what doesn’t stop the clock', async ({ script }, { sandbox }) => {
    registered(sh(script))(sandbox)
    const { stdout, code } = await check(sandbox, artefact, ['--as', 'opencode'])
    expect(code).toBe(1)
    expect(stdout).toContain('server "it": not ready within 5 s: no answer to "initialize"')
  })

  test('what has lost its parents is ended too', async ({ sandbox }) => {
    const script = '(setsid sh -c "(exec sleep 603) & (exec sleep 604) &" >/dev/null 2>&1 </dev/null &); exit 1'
    registered({ ...sh(script), scope: 'off', inheritEnv: 'minimal' })(sandbox)
    const { stdout } = await check(sandbox, artefact)
    expect(stdout).toContain('server "it": it left processes behind, which were ended: sleep, sleep\n')
  })

  test('Ctrl-C ends the servers first', async ({ sandbox }) => {
    registered(STUBBORN)(sandbox)
    expect(await interrupted(sandbox, artefact, 'SIGINT')).toMatchObject({ code: null, signal: 'SIGINT', stderr: '' })
  })

  test('nobody reads any more: what still runs is ended', async ({ sandbox }) => {
    sandbox.writeRegistry({ servers: { a: sh('exit 1'), b: sh('sleep 1; exit 1'), c: STUBBORN } })
    const reader = 'while read -r line; do case $line in *\'server "a"\'*) exit;; esac; done'
    const script = `{ "$@"; echo "$?" >&2; } | ${reader}`
    expect(await outcome(await sandbox.run(['sh', '-c', script, 'sh', ...artefact.argv, 'check']))).toEqual({
      code: 0,
      signal: null,
      stdout: '',
      stderr: '1\n',
    })
    await sandbox.expectNothingLeft(1_000)
  })

  test('a check that is killed leaves nothing', async ({ sandbox }) => {
    registered({ command: 'sleep', args: ['1000'] })(sandbox)
    const checking = await sandbox.launch(artefact, ['check'])
    const isUp = async () => (await sandbox.leftovers()).some((one) => one.endsWith('sleep 1000'))
    await waitFor(isUp, { what: 'the server' })
    checking.kill('SIGKILL')
    await sandbox.expectNothingLeft()
  })
})

test.for(['SIGTERM', 'SIGHUP'] as const)('%s ends the servers first', async (signal, { sandbox }) => {
  registered(STUBBORN)(sandbox)
  expect(await interrupted(sandbox, executable, signal)).toMatchObject({ code: null, signal, stderr: '' })
})

test('the executable needs no file beside it', async ({ sandbox }) => {
  writeHealthy(sandbox)
  const alone = join(sandbox.home, 'mcp-launch')
  copyFileSync(executable.file, alone, constants.COPYFILE_FICLONE)
  const { stdout, code } = await check(sandbox, { name: 'alone', argv: [alone], file: alone }, ['weather'])
  expect(code).toBe(0)
  expect(stdout).toMatch(/server "weather": ready in \d+ ms/)
})

test('a server that hangs is given its client’s time, and no more', async ({ sandbox }) => {
  registered(sh('cat >/dev/null'))(sandbox)
  const { stdout } = await check(sandbox, bundle, ['--as', 'opencode', '--json'])
  const { findings } = JSON.parse(stdout) as { findings: { handshake?: { readyMs: number; deadlineMs: number } }[] }
  const { readyMs = 0, deadlineMs } = findings.at(-1)?.handshake ?? {}
  expect(deadlineMs).toBe(5_000)
  expect(readyMs).toBeGreaterThanOrEqual(5_000)
  expect(readyMs).toBeLessThan(10_000)
})

test('without HOME each station says so', async ({ sandbox }) => {
  const registry = sandbox.writeRegistry({ servers: { it: answering(NO_TOOLS) } })
  const prefix = ['env', '-u', 'HOME']
  const { stdout, code } = await check(sandbox, executable, ['--registry', registry], { prefix })
  expect(code).toBe(1)
  expect(stdout).toMatch(/^error +permissions +can't find the home directory: HOME is not set$/m)
  expect(stdout).toMatch(/^error +server +can't launch server "it": can't find the home directory: HOME is not set$/m)
})

const LIMITED = [
  { what: 'memoryMax', entry: { ...answering(NO_TOOLS), limits: { memoryMax: '4M', memorySwapMax: '0' } } },
  {
    what: 'tasksMax',
    entry: { ...sh('(sleep 1000 & sleep 1000) 2>/dev/null; cat >/dev/null'), limits: { tasksMax: 2 } },
  },
  { what: 'runtimeMax', entry: { ...sh('cat >/dev/null'), limits: { runtimeMax: '1s' } } },
]

describeUnless(noLimits, 'a limit that is too small is named', () => {
  test.for(LIMITED)('$what', async ({ what, entry }, { sandbox }) => {
    registered(entry)(sandbox)
    const { stdout, code } = await check(sandbox, executable, ['--as', 'crush'], { env: sandbox.envWithManager() })
    expect(code).toBe(1)
    await expect(findings(sandbox, stdout)).toMatchFileSnapshot(join(GOLDEN, `limit-${what}.txt`))
  })
})

describeUnless(noManager, 'with a user manager', () => {
  test('scopes and their limits are tried, and what a server leaves behind goes with its scope', async ({
    sandbox,
  }) => {
    registered({
      ...sh(`setsid setsid sh -c 'sleep 1000' >/dev/null 2>&1 </dev/null & exec cat >/dev/null`),
      limits: { memoryMax: '1G', tasksMax: 100, cpuQuota: '50%' },
      stopTimeout: '1s',
    })(sandbox)
    const { stdout, code } = await check(sandbox, executable, ['--as', 'opencode'], { env: sandbox.envWithManager() })
    expect(code).toBe(1)
    expect(stdout).toMatch(/^ok {7}systemd {6}user manager ".*": it listens$/m)
    expect(stdout).toContain('scope in "mcp-servers.slice": for it with MemoryMax=1G CPUQuota=50% TasksMax=100\n')
    if (!noLimits) {
      expect(stdout).toContain('ok       systemd      limits: the kernel holds them (memory, tasks, cpu)\n')
    }
  })
})
