import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect } from 'vitest'
import { artefacts } from './harness/artefacts.ts'
import { DEMO_REF, DEMO_SECRET, encryptedDemo, plantDemoSecret } from './harness/demo-secret.ts'
import { INITIALIZE } from './harness/json-rpc.ts'
import { ended, outcome } from './harness/outcome.ts'
import { noManager, userManager } from './harness/provided.ts'
import { type Sandbox, test } from './harness/sandbox.ts'
import { server } from './harness/servers.ts'
import { systemctl } from './harness/units.ts'
import { waitFor } from './harness/wait-for.ts'

/** Values that nothing else on this machine can be mistaken for, and where they may stand. */
interface Canaries {
  readonly file: string
  readonly command: string
  readonly variable: string
  /** Somebody else's credential in the client's environment. */
  readonly foreign: string
  /** The launcher's own. */
  readonly own: string
  /** Files that hold one, because the test put it there. */
  readonly planted: readonly string[]
  /** What the client's environment holds. */
  readonly env: Readonly<Record<string, string>>
}

/** Plants a secret for each kind of source, and a server `it` that has them all. */
function plant(sandbox: Sandbox, entry: object = server('wait-signal')): Canaries {
  const [file, command, variable, foreign, own] = Array.from(
    { length: 5 },
    () => `canary${randomBytes(12).toString('hex')}`,
  ) as [string, string, string, string, string]
  plantDemoSecret(sandbox)
  const planted = [
    sandbox.writeFile('planted/file', file),
    sandbox.writeFile('planted/command', command),
    join(sandbox.home, '.config', 'sops', 'age', 'keys.txt'),
  ]
  sandbox.writeRegistry({
    servers: {
      it: {
        ...entry,
        secrets: {
          FROM_SOPS: DEMO_REF,
          FROM_FILE: `file:${planted[0]}`,
          FROM_COMMAND: { command: ['cat', planted[1]] },
          FROM_VARIABLE: 'env:SOURCE_TOKEN',
        },
      },
    },
  })
  const env = { SOURCE_TOKEN: variable, AWS_SECRET_ACCESS_KEY: foreign, OP_SERVICE_ACCOUNT_TOKEN: own }
  return { file, command, variable, foreign, own, planted, env }
}

/** The secrets in every form that they might be written down in. */
function forms({ file, command, variable, foreign, own }: Canaries): string[] {
  return [DEMO_SECRET, file, command, variable, foreign, own].flatMap((value) => [
    value,
    Buffer.from(value).toString('base64').replace(/=+$/, ''),
    Buffer.from(value).toString('hex'),
  ])
}

/** Of the named texts those that hold a canary. */
function sightings(canaries: Canaries, texts: Readonly<Record<string, string>>): string[] {
  const wanted = forms(canaries)
  return Object.entries(texts)
    .filter(([, text]) => wanted.some((form) => text.includes(form)))
    .map(([where]) => where)
}

/** Every file below the sandbox's home but the planted ones. */
function files(sandbox: Sandbox, { planted }: Pick<Canaries, 'planted'>): Record<string, string> {
  const entries = readdirSync(sandbox.home, { withFileTypes: true, recursive: true })
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  return Object.fromEntries(paths.filter((path) => !planted.includes(path)).map((path) => [path, read(path)]))
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

/** Collects every command line on this machine until told to stop. */
function watchCommandLines(): { seen: Set<string>; stop: () => void } {
  const seen = new Set<string>()
  const look = (): void => {
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) seen.add(read(`/proc/${pid}/cmdline`))
  }
  look()
  const timer = setInterval(look, 1)
  return {
    seen,
    stop() {
      look()
      clearInterval(timer)
    },
  }
}

describe.each(artefacts)('$name', (artefact) => {
  test('a launch: secrets are in the server’s environment and nowhere else', async ({ sandbox }) => {
    const canaries = plant(sandbox)
    const commandLines = watchCommandLines()
    const launched = await sandbox.launch(artefact, ['it'], { env: sandbox.envWithManager(canaries.env) })
    expect(await launched.firstLine()).toBe('ready')
    commandLines.stop()
    // Empty for a moment: having said so, the server executes another program.
    const environ = await waitFor(() => read(`/proc/${launched.pid}/environ`), { what: 'the environment' })
    const environment = environ.split('\0')
    expect(environment).toEqual(
      expect.arrayContaining([
        `FROM_SOPS=${DEMO_SECRET}`,
        `FROM_FILE=${canaries.file}`,
        `FROM_COMMAND=${canaries.command}`,
        `FROM_VARIABLE=${canaries.variable}`,
      ]),
    )
    expect(environment.join('\n')).not.toMatch(new RegExp(`${canaries.foreign}|${canaries.own}|SOURCE_TOKEN`))
    expect(commandLines.seen.size).toBeGreaterThan(1)
    const texts = {
      ...Object.fromEntries([...commandLines.seen].map((line) => [`command line ${line}`, line])),
      stdout: launched.stdout().toString(),
      stderr: launched.stderr(),
      ...files(sandbox, canaries),
    }
    expect(sightings(canaries, texts)).toEqual([])
    expect(readdirSync(sandbox.cacheDir)).toEqual(expect.arrayContaining(['host.json', 'registry']))
  })

  test('every program that a launch runs, as the kernel is asked for it', async ({ sandbox, skip }) => {
    if (!existsSync('/usr/bin/strace')) return skip('no strace here')
    const canaries = plant(sandbox, { command: 'true' })
    const calls = join(sandbox.home, 'calls')
    const trace = ['strace', '-f', '-q', '-s', '100000', '-e', 'trace=execve', '-e', 'signal=none', '-o', calls]
    const env = sandbox.envWithManager(canaries.env)
    const { code } = await outcome(await sandbox.launch(artefact, ['it'], { prefix: trace, env }))
    if (code !== 0 && !existsSync(calls)) return skip('strace may not trace here')
    expect(code).toBe(0)
    const said = read(calls)
    expect(said).toContain('"--default-signal=PIPE,XFSZ"')
    expect(said).toContain('["cat", ')
    expect(sightings(canaries, { said })).toEqual([])
  })

  test.skipIf(noManager)('systemd knows nothing', async ({ sandbox }) => {
    const canaries = plant(sandbox)
    const launched = await sandbox.launch(artefact, ['it'], { env: sandbox.envWithManager(canaries.env) })
    await launched.firstLine()
    const unit = `mcp-it-${launched.pid}.scope`
    const texts = {
      status: await systemctl(userManager(), ['status', '--full', '--no-pager', unit]),
      properties: await systemctl(userManager(), ['show', '--all', unit]),
      manager: await systemctl(userManager(), ['show-environment']),
    }
    expect(texts.status).toContain(unit)
    expect(texts.properties).toContain('ActiveState=active')
    expect(sightings(canaries, texts)).toEqual([])
  })

  test.for(['explain it', 'explain it --json', 'list', 'list --json'])('mcp-launch %s', async (line, { sandbox }) => {
    const canaries = plant(sandbox)
    const { code, stdout, stderr } = await outcome(
      await sandbox.launch(artefact, line.split(' '), { env: canaries.env }),
    )
    expect(code).toBe(0)
    expect(stdout).toContain('it')
    expect(sightings(canaries, { stdout, stderr, ...files(sandbox, canaries) })).toEqual([])
  })

  test.for([
    { what: 'no command', code: 127, entry: { command: 'no-such-command' } },
    { what: 'no directory', code: 1, entry: { command: 'true', cwd: '~/nowhere' } },
    { what: 'a variable that isn’t set', code: 2, entry: { command: 'true', args: [`$${'{NOT_SET}'}`] } },
  ])('a launch that fails after its secrets are there: $what', async ({ code, entry }, { sandbox }) => {
    const canaries = plant(sandbox, entry)
    const end = await outcome(await sandbox.launch(artefact, ['it'], { env: canaries.env }), INITIALIZE)
    expect(end.code).toBe(code)
    const { stdout, stderr } = end
    expect(stdout).toContain('"error"')
    expect(sightings(canaries, { stdout, stderr, ...files(sandbox, canaries) })).toEqual([])
  })

  test('a value that is too long for a variable', async ({ sandbox }) => {
    const canaries = plant(sandbox)
    sandbox.writeFile('planted/file', canaries.file.repeat(5_000))
    const end = await outcome(await sandbox.launch(artefact, ['it'], { env: canaries.env }), INITIALIZE)
    expect(end.code).toBe(126)
    const { stdout, stderr } = end
    expect(sightings(canaries, { stdout, stderr, ...files(sandbox, canaries) })).toEqual([])
  })

  test.for([
    {
      what: 'a changed value (wrong MAC)',
      change: (text: string) => text.replace('weather:', 'weather:\n    added_unencrypted: 1'),
    },
    { what: 'a cut-off file', change: (text: string) => text.slice(0, -200) },
    { what: 'another pointer', change: (text: string) => text.replace('api_key', 'other') },
    { what: 'a file that was never encrypted', change: () => `weather:\n  api_key: ${DEMO_SECRET}\n` },
  ])('a SOPS file that is refused: $what', async ({ change }, { sandbox }) => {
    const canaries = plant(sandbox)
    const path = sandbox.writeFile('.config/mcp/secrets/demo.yaml', change(encryptedDemo()))
    const end = await outcome(await sandbox.launch(artefact, ['it'], { env: canaries.env }), INITIALIZE)
    expect(end.code).toBe(1)
    const { stdout, stderr } = end
    expect(stdout).toContain('"error"')
    const planted = [...canaries.planted, path]
    expect(sightings(canaries, { stdout, stderr, ...files(sandbox, { ...canaries, planted }) })).toEqual([])
  })

  test('a command that fails after it has printed the secret', async ({ sandbox }) => {
    const canaries = plant(sandbox)
    const script = sandbox.writeFile('planted/tell', `cat "$1"; cat "$1" >&2; exit 1`)
    const registry = JSON.parse(readFileSync(sandbox.registry, 'utf8'))
    registry.servers.it.secrets.FROM_COMMAND = { command: ['sh', script, canaries.planted[1]] }
    sandbox.writeRegistry(registry)
    const end = await outcome(await sandbox.launch(artefact, ['it'], { env: canaries.env }), INITIALIZE)
    const { code, stdout, stderr } = end
    expect(code).toBe(1)
    expect(sightings(canaries, { stdout, stderr, ...files(sandbox, canaries) })).toEqual([])
  })

  test('a command that fails, and says a part of what it has printed', async ({ sandbox }) => {
    const canaries = plant(sandbox)
    const [, secret = ''] = canaries.planted
    const tell = 'printf "user: bob\\npassword: "; cat "$1"; echo "bad password $(cat "$1") for bob" >&2; exit 1'
    const script = sandbox.writeFile('planted/tell', tell)
    const registry = JSON.parse(readFileSync(sandbox.registry, 'utf8'))
    registry.servers.it.secrets.FROM_COMMAND = { command: ['sh', script, secret] }
    sandbox.writeRegistry(registry)
    const options = { env: canaries.env }
    const ends = [
      await outcome(await sandbox.launch(artefact, ['it'], options), INITIALIZE),
      await outcome(await sandbox.launch(artefact, ['secrets', 'refresh'], options)),
      await outcome(await sandbox.launch(artefact, ['secrets', 'status'], options)),
    ]
    expect(ends.map(({ code }) => code)).toEqual([1, 1, 1])
    for (const { stdout } of ends) expect(stdout).toContain('it ended with 1: bad [redacted] for bob')
    const said = ends.map(({ stdout, stderr }) => `${stdout}${stderr}`).join('')
    expect(sightings(canaries, { said, ...files(sandbox, canaries) })).toEqual([])
  })

  test('what a failing command says is shown, and is not readable in any file', async ({ sandbox }) => {
    const words = `not-stdout-${randomBytes(6).toString('hex')}`
    sandbox.writeRegistry({
      servers: { it: { ...server('report'), secrets: { A: { command: ['/bin/sh', '-c', '. ~/tell'] } } } },
    })
    const tell = sandbox.writeFile('tell', `echo ${words} >&2; exit 1`)
    for (const args of [['it'], ['it'], ['secrets', 'refresh'], ['secrets', 'status']]) {
      const { stdout } = await outcome(await sandbox.launch(artefact, args), INITIALIZE)
      expect(stdout).toContain(`it ended with 1: ${words}`)
    }
    const everything = Object.entries(files(sandbox, { planted: [tell] }))
    expect(everything.filter(([, text]) => text.includes(words))).toEqual([])
  })

  test.for(['SEGV', 'ABRT', 'BUS', 'TERM', 'QUIT'] as const)(
    'a launcher that dies by SIG%s with all secrets but one',
    async (name, { sandbox }) => {
      const canaries = plant(sandbox)
      mkdirSync(join(sandbox.home, 'crash'))
      const waiting = join(sandbox.home, 'waiting')
      const registry = JSON.parse(readFileSync(sandbox.registry, 'utf8'))
      registry.servers.it.secrets.LATE = { from: { command: ['sh', '-c', `touch ${waiting}; sleep 60`] }, cache: false }
      sandbox.writeRegistry({ ...registry, cache: { resolveTimeout: '60s' } })
      const prefix = ['sh', '-c', 'ulimit -c 0; exec "$@"', 'sh']
      const launched = await sandbox.launch(artefact, ['it'], {
        env: canaries.env,
        cwd: join(sandbox.home, 'crash'),
        prefix,
      })
      await waitFor(() => existsSync(waiting), { what: 'the launcher to ask for the last secret' })
      launched.kill(`SIG${name}`)
      expect((await launched.processEnded).signal).not.toBe(null)
      const texts = { stdout: launched.stdout().toString(), stderr: launched.stderr(), ...files(sandbox, canaries) }
      expect(sightings(canaries, texts)).toEqual([])
    },
  )

  test('the process that fetches leaves no core dump, and the server may', async ({ sandbox, skip }) => {
    const limit = join(sandbox.home, 'limit')
    const from = { command: ['/bin/sh', '-c', `ulimit -c >${limit}; echo value`] }
    const entry = { command: '/bin/sh', args: ['-c', 'ulimit -c'], scope: 'off', secrets: { A: from } }
    sandbox.writeRegistry({ servers: { it: entry } })
    const prefix = ['/bin/sh', '-c', 'ulimit -c unlimited && exec "$@"', 'sh']
    const { stdout, stderr } = await outcome(await sandbox.launch(artefact, ['it'], { prefix }))
    if (stderr.includes('ulimit')) return skip('core dumps may not be had here')
    expect(stdout).toBe('unlimited\n')
    expect(read(limit)).toBe('0\n')
  })

  test('a launcher that can’t write its message', async ({ sandbox }) => {
    const canaries = plant(sandbox, { command: 'no-such-command' })
    const prefix = ['sh', '-c', '"$@" 2>/dev/full; echo "it ended with $?"', 'sh']
    const { stdout, stderr } = await outcome(await sandbox.launch(artefact, ['it'], { env: canaries.env, prefix }))
    expect(stdout).toMatch(/^it ended with (1|127)\n$/)
    expect(sightings(canaries, { stdout, stderr, ...files(sandbox, canaries) })).toEqual([])
  })
})

test('the search finds what is there', async ({ sandbox }) => {
  const canaries = plant(sandbox)
  sandbox.writeFile('leak', `x${Buffer.from(canaries.file).toString('base64')}`)
  expect(sightings(canaries, files(sandbox, canaries))).toEqual([join(sandbox.home, 'leak')])
  const commandLines = watchCommandLines()
  const leaking = await sandbox.run(['sh', '-c', 'echo ready; read -r line', canaries.command])
  await leaking.firstLine()
  commandLines.stop()
  expect(sightings(canaries, { all: [...commandLines.seen].join('\n') })).toEqual(['all'])
  leaking.stdin.end()
  await ended(leaking)
})
