import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readFileSync, statSync, symlinkSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { describe, expect } from 'vitest'
import { artefacts } from './harness/artefacts.ts'
import type { Launched } from './harness/launched.ts'
import { outcome } from './harness/outcome.ts'
import { kill } from './harness/processes.ts'
import { noManager } from './harness/provided.ts'
import { type Sandbox, test } from './harness/sandbox.ts'
import { givenDescriptors, ignoredSignals, reportOf, server } from './harness/servers.ts'
import { waitFor } from './harness/wait-for.ts'

const NONBLOCK = 0o4000

/** A registry with one server, `it`. */
function writeServer(sandbox: Sandbox, entry: object, more: object = {}): void {
  sandbox.writeRegistry({ servers: { it: { scope: 'off', ...entry } }, ...more })
}

/** `env` takes a command with `=` in its path for a variable, so the launcher must do without it. */
function reportBehindEquals(sandbox: Sandbox): string {
  const link = join(dirname(sandbox.writeFile('a=b/.keep', '')), 'report')
  symlinkSync(server('report').command, link)
  return link
}

async function expectCleanEnd(launched: Launched, sandbox: Sandbox): Promise<void> {
  expect(await outcome(launched)).toMatchObject({ code: 0, signal: null, stderr: '' })
  await sandbox.expectNothingLeft()
}

test.for(artefacts)(
  'a client that has closed its end of stderr gets its server all the same, $name',
  async (artefact, { sandbox }) => {
    writeServer(sandbox, { command: 'echo', args: ['started'] })
    // The note about the variable has nowhere to go.
    const env = { SOMEBODYS_TOKEN: 'canary' }
    const prefix = ['bash', '-c', 'exec 2> >(exit 0); wait "$!"; exec "$@"', 'bash']
    const { code, stdout } = await outcome(await sandbox.launch(artefact, ['it'], { env, prefix }))
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'started\n' })
  },
)

describe.each(artefacts)('$name', (artefact) => {
  describe.each([
    { how: 'directly', scope: 'off', pipes: false },
    { how: 'directly, with real pipes', scope: 'off', pipes: true },
    { how: 'in a scope', scope: 'require', pipes: true },
  ])('$how', ({ scope, pipes }) => {
    test.skipIf(scope === 'require' && noManager)(
      'the server has the pid and the streams, untouched',
      async ({ sandbox }) => {
        writeServer(sandbox, { ...server('report'), scope })
        const launched = await sandbox.launch(artefact, ['it'], { env: sandbox.envWithManager(), pipes })
        const report = await reportOf(launched)
        expect(report).toMatchObject({ pid: launched.pid, ppid: process.pid, nice: 0 })
        const descriptors = givenDescriptors(report)
        expect(Object.keys(descriptors)).toEqual(['0', '1', '2'])
        for (const { flags } of Object.values(descriptors)) expect(Number.parseInt(flags, 8) & NONBLOCK).toBe(0)
        expect(ignoredSignals(report)).toEqual([])
        expect(report.SigBlk).toBe('0000000000000000')
        await expectCleanEnd(launched, sandbox)
      },
    )

    test.skipIf(scope === 'require' && noManager)(
      '50 MB of random bytes come back as they went',
      async ({ sandbox }) => {
        writeServer(sandbox, { ...server('echo-bytes'), scope })
        const bytes = randomBytes(50_000_000)
        const launched = await sandbox.launch(artefact, ['it'], { env: sandbox.envWithManager(), pipes })
        launched.stdin.end(bytes)
        expect(await launched.exited).toEqual({ code: 0, signal: null })
        expect(sha256(launched.stdout())).toBe(sha256(bytes))
        expect(launched.stderr()).toBe('')
        await sandbox.expectNothingLeft()
      },
    )
  })

  test('without env(1) the launcher itself resets the signals', async ({ sandbox }) => {
    writeServer(sandbox, { command: reportBehindEquals(sandbox), deathSignal: 'off' })
    const launched = await sandbox.launch(artefact, ['it'])
    const report = await reportOf(launched)
    expect(report.argv[0]).toContain('a=b/report')
    expect(ignoredSignals(report)).toEqual([])
    expect(report.SigBlk).toBe('0000000000000000')
    await expectCleanEnd(launched, sandbox)
  })

  test('the environment is the client’s, then env, then secrets; credentials of others stay behind', async ({
    sandbox,
  }) => {
    sandbox.writeFile('.config/mcp/pin', '1234\n')
    sandbox.writeRegistry(`
servers:
  it:
    command: ${server('report').command}
    args: [~/x, "\${CITY:-Rome}", $HOME]
    env: { MODE: fast, EDITOR: ed, PLACE: ~/maps, GREETING: "hello \${USER}", EMPTY: "" }
    secrets: { PIN: "file:pin", COPY: "env:SOURCE" }
    passEnv: [NPM_TOKEN]
`)
    const client = { EDITOR: 'vi', LANG: 'C.UTF-8', SOURCE: 'ü "x" \n y', NPM_TOKEN: 'npm', MCP_LAUNCH_FOO: '1' }
    const env = { ...client, GITHUB_TOKEN: 'github', DATABASE_URL: 'postgres://me:pw@host/db', SOPS_AGE_KEY: 'x' }
    const launched = await sandbox.launch(artefact, ['it', '--', '--flag', 'a b', ''], { env })
    const report = await reportOf(launched)
    expect(report.env).toEqual({
      ...sandbox.env(),
      LANG: 'C.UTF-8',
      SOURCE: client.SOURCE,
      NPM_TOKEN: 'npm',
      MODE: 'fast',
      EDITOR: 'ed',
      PLACE: `${sandbox.home}/maps`,
      GREETING: `hello ${sandbox.env()['USER']}`,
      EMPTY: '',
      PIN: '1234',
      COPY: client.SOURCE,
    })
    expect(report.argv.slice(1)).toEqual([`${sandbox.home}/x`, 'Rome', '$HOME', '--flag', 'a b', ''])
    const { code, stderr } = await outcome(launched)
    expect(code).toBe(0)
    expect(stderr).toBe(
      'mcp-launch: note: not passed to server "it" because they look like credentials: DATABASE_URL, GITHUB_TOKEN' +
        ' (passEnv keeps them)\n',
    )
  })

  test('the limit of open files is the client’s, not the runtime’s', async ({ sandbox }) => {
    writeServer(sandbox, { command: 'sh', args: ['-c', 'ulimit -Sn; ulimit -Hn'] })
    const prefix = ['bash', '-c', 'ulimit -Sn 256; ulimit -Hn; "$@"; exit "$?"', 'bash']
    const launched = await sandbox.launch(artefact, ['it'], { env: sandbox.envWithManager(), prefix })
    const { code, stdout, stderr } = await outcome(launched)
    const [hard] = stdout.split('\n')
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: `${hard}\n256\n${hard}\n`, stderr: '' })
  })

  test('cwd, with PWD, and path before the client’s PATH', async ({ sandbox }) => {
    sandbox.writeFile('work/.keep', '')
    const bin = dirname(sandbox.writeFile('bin/.keep', ''))
    symlinkSync(server('report').command, join(bin, 'my-server'))
    writeServer(sandbox, { command: 'my-server', cwd: '~/work', path: ['~/bin'] })
    const launched = await sandbox.launch(artefact, ['it'], { env: { PWD: '/elsewhere' }, cwd: '/' })
    const report = await reportOf(launched)
    expect(report.cwd).toBe(join(sandbox.home, 'work'))
    expect(report.env).toMatchObject({ PWD: report.cwd, PATH: `${bin}:${sandbox.env()['PATH']}` })
    await expectCleanEnd(launched, sandbox)
  })

  test('without cwd the client’s working directory, PWD and umask stay', async ({ sandbox }) => {
    writeServer(sandbox, server('report'))
    const prefix = ['sh', '-c', 'umask 027; exec "$@"', 'sh']
    const launched = await sandbox.launch(artefact, ['it'], { prefix, env: { PWD: '/tmp' }, cwd: '/tmp' })
    const report = await reportOf(launched)
    expect(report).toMatchObject({ cwd: '/tmp', umask: '0027', env: { PWD: '/tmp' } })
    await expectCleanEnd(launched, sandbox)
  })

  test('a secret can be handed over as a private file, which the next launch removes', async ({ sandbox }) => {
    sandbox.writeFile('.config/mcp/ca', 'certificate\n')
    sandbox.writeFile('run/.keep', '')
    writeServer(sandbox, { ...server('report'), secrets: { CA: { from: 'file:ca', as: 'file' } } })
    const env = { XDG_RUNTIME_DIR: join(sandbox.home, 'run') }
    const first = await sandbox.launch(artefact, ['it'], { env })
    const path = (await reportOf(first)).env['CA'] as string
    expect(readFileSync(path, 'utf8')).toBe('certificate')
    expect([path, dirname(path), dirname(dirname(path))].map(modeOf)).toEqual(['600', '700', '700'])
    await outcome(first)
    const second = await sandbox.launch(artefact, ['it'], { env })
    const secondPath = (await reportOf(second)).env['CA'] as string
    expect(basename(secondPath)).toBe('CA')
    expect(existsSync(secondPath)).toBe(true)
    expect(existsSync(dirname(path))).toBe(false)
    await expectCleanEnd(second, sandbox)
  })

  test('a secret from a program of the user’s, at the first launch and at the second', async ({ sandbox }) => {
    writeServer(sandbox, { ...server('report'), secrets: { PIN: { command: ['sh', '-c', 'sleep 0.1; echo 1234'] } } })
    for (const nth of ['first', 'second']) {
      const launched = await sandbox.launch(artefact, ['it'])
      expect((await reportOf(launched)).env, nth).toMatchObject({ PIN: '1234' })
      await expectCleanEnd(launched, sandbox)
    }
  })

  test('a value of 100 kB arrives whole', async ({ sandbox }) => {
    const value = randomBytes(50_000).toString('hex')
    sandbox.writeFile('.config/mcp/big', value)
    writeServer(sandbox, { ...server('report'), secrets: { BIG: 'file:big' } })
    const launched = await sandbox.launch(artefact, ['it'])
    expect(sha256((await reportOf(launched)).env['BIG'])).toBe(sha256(value))
    await expectCleanEnd(launched, sandbox)
  })

  test('a value of 200 kB is too long for Linux, and the variable is named', async ({ sandbox }) => {
    sandbox.writeFile('.config/mcp/big', 'x'.repeat(200_000))
    writeServer(sandbox, { ...server('report'), secrets: { SMALL: 'env:HOME', BIG: 'file:big' } })
    expect(await outcome(await sandbox.launch(artefact, ['it']))).toEqual({
      code: 126,
      signal: null,
      stdout: '',
      stderr:
        'mcp-launch: error: can\'t start server "it": too long for a variable: BIG\n' +
        'mcp-launch: hint: hand a secret over as a file (as: file)\n',
    })
  })

  test('40 values of 100 kB are too long together', async ({ sandbox }) => {
    sandbox.writeFile('.config/mcp/big', 'x'.repeat(100_000))
    const secrets = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`BIG_${index}`, 'file:big']))
    writeServer(sandbox, { ...server('report'), secrets })
    const { code, stdout, stderr } = await outcome(await sandbox.launch(artefact, ['it']))
    expect({ code, stdout }).toEqual({ code: 126, stdout: '' })
    expect(stderr).toContain('error: can\'t start server "it": its arguments and variables are too long together\n')
  })

  test('a server whose client has gone meanwhile is not started', async ({ sandbox }) => {
    const marker = join(sandbox.home, 'server-was-started')
    const [waiting, gate, said] = ['waiting', 'gate', 'said'].map((name) => join(sandbox.home, name)) as [
      string,
      string,
      string,
    ]
    const waitAtGate = `touch ${waiting}; while [ ! -e ${gate} ]; do sleep 0.01; done; echo value`
    writeServer(
      sandbox,
      {
        command: 'touch',
        args: [marker],
        secrets: { LATE: { from: { command: ['sh', '-c', waitAtGate] }, cache: false } },
      },
      { cache: { resolveTimeout: '60s' } },
    )
    const client = ['sh', '-c', '"$@" </dev/null >/dev/null 2>"$0" & wait', said, ...artefact.argv, 'it']
    const { pid, exited } = await sandbox.run(client)
    await waitFor(() => existsSync(waiting), { what: 'the launcher to ask for the secret' })
    kill(pid)
    await exited
    sandbox.writeFile(gate, '')
    await sandbox.expectNothingLeft()
    expect(readFileSync(said, 'utf8')).toBe(
      `mcp-launch: error: won't start server "it": its client (pid ${pid}) has ended\n`,
    )
    expect(existsSync(marker)).toBe(false)
  })
})

function sha256(bytes: Buffer | string | undefined): string {
  return createHash('sha256')
    .update(bytes ?? '')
    .digest('hex')
}

function modeOf(path: string): string {
  return (statSync(path).mode & 0o777).toString(8)
}
