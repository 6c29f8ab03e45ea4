import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect } from 'vitest'
import {
  age,
  auditLines,
  CANARY,
  cacheFiles,
  opKey,
  PRINTS,
  plant,
  printing,
  run,
  STAYS,
  upstream,
} from './cache-upstream.ts'
import { bundle, executable } from './harness/artefacts.ts'
import { DEMO_REF, encryptedDemo, plantDemoSecret } from './harness/demo-secret.ts'
import { outcome } from './harness/outcome.ts'
import { type Sandbox, test } from './harness/sandbox.ts'
import { waitFor } from './harness/wait-for.ts'

describe.each([executable, bundle])('$name', (artefact) => {
  test('refresh, status, clear: what they say and how they end', async ({ sandbox }) => {
    const source = upstream(sandbox)
    sandbox.writeRegistry(printing(source))
    const say = async (...args: string[]) => {
      const { code, stdout, stderr } = await run(sandbox, ['secrets', ...args], { artefact })
      return `${code} ${stdout}${stderr}`.replaceAll(sandbox.home, '~')
    }
    const ref = '{"command":["~/upstream.sh"]}'
    expect(await say('status')).toBe(
      `1 it  API_KEY  ${JSON.stringify(source.ref).replaceAll(sandbox.home, '~')}  missing\n`,
    )
    expect(await say('refresh')).toBe(`0 fetched  ${ref}\n`)
    expect(await say('status')).toMatch(/^0 it {2}API_KEY {2}\S+ {2}fresh {2}\d+ s old, expires in 3 h\n$/)
    expect(JSON.parse((await say('status', '--json', 'it')).slice(2))).toMatchObject({ secrets: [{ state: 'fresh' }] })
    expect(await run(sandbox, ['it'], { artefact })).toMatchObject({ code: 0, stdout: `${CANARY}\n`, stderr: '' })
    expect(source.calls()).toBe(1)
    expect(await say('clear', 'it')).toBe(`0 cleared ${ref}\n`)
    expect(await say('status')).toMatch(/^1 .*missing\n$/)
    source.behave('exit 75')
    expect(await say('refresh', '--json')).toMatch(/^75 \{/)
    for (const command of ['refresh', 'status', 'clear']) {
      expect(await say(command, 'itt')).toBe(
        '2 mcp-launch: error: unknown server "itt": it is not in ~/.config/mcp/servers.yaml\n' +
          'mcp-launch: hint: did you mean "it"?\n',
      )
    }
    expect(await say('clear', '--json')).toMatch(/^0 \{\n {2}"cleared": \[/)
    expect(await say('clear')).toBe('0 nothing to clear\n')
  })
})

test('status names the running servers that hold an old value, until they are started again', async ({ sandbox }) => {
  const source = upstream(sandbox)
  sandbox.writeRegistry({ servers: { it: { ...STAYS, secrets: { API_KEY: source.ref } } } })
  const server = await sandbox.launch(executable, ['it'])
  await server.firstLine()
  await run(sandbox, ['secrets', 'refresh'])
  expect(await run(sandbox, ['secrets', 'status'])).toMatchObject({ code: 0 })
  source.answer('new')
  await run(sandbox, ['secrets', 'refresh'])
  const status = await run(sandbox, ['secrets', 'status'])
  expect(status).toMatchObject({ code: 1, stderr: '' })
  expect(status.stdout).toContain(`\n    ! restart to use the new value: pid ${server.pid}\n`)
  const json = JSON.parse((await run(sandbox, ['secrets', 'status', '--json'])).stdout) as object
  expect(json).toMatchObject({ secrets: [{ state: 'fresh', superseded: [server.pid] }] })
  server.kill()
  await server.exited
  const again = await sandbox.launch(executable, ['it'])
  await again.firstLine()
  expect(await run(sandbox, ['secrets', 'status'])).toMatchObject({ code: 0 })
})

test('a server that was started while its value was renewed holds the old one', async ({ sandbox }) => {
  const source = upstream(sandbox)
  const slow = sandbox.writeFile('slow.sh', 'while ! grep -q \'"refresh"\' "$1"; do sleep 0.05; done; echo slow')
  const log = join(sandbox.stateDir, 'audit.jsonl')
  const secrets = { API_KEY: source.ref, SLOW: { from: { command: ['/bin/sh', slow, log] }, cache: false } }
  sandbox.writeRegistry({ cache: { resolveTimeout: '30s' }, servers: { it: { ...STAYS, secrets } } })
  await run(sandbox, ['secrets', 'refresh'])
  await age(sandbox, 3.5 * 3_600_000)
  execFileSync('rm', [log])
  source.answer('new')
  const server = await sandbox.launch(executable, ['it'])
  await server.firstLine()
  const status = await run(sandbox, ['secrets', 'status'])
  expect(status.stdout).toContain(`\n    ! restart to use the new value: pid ${server.pid}\n`)
  expect(status.code).toBe(1)
  expect((await run(sandbox, ['ps'])).stdout).toContain('! restart to use the new value: API_KEY')
})

test('a server whose encrypted file has changed since is named, before anybody has read it again', async ({
  sandbox,
}) => {
  plantDemoSecret(sandbox)
  sandbox.writeRegistry({ servers: { it: { ...STAYS, secrets: { API_KEY: DEMO_REF } } } })
  const server = await sandbox.launch(executable, ['it'])
  await server.firstLine()
  expect(await run(sandbox, ['secrets', 'status'])).toMatchObject({ code: 0 })
  sandbox.writeFile('.config/mcp/secrets/demo.yaml', `${encryptedDemo()}\n`)
  const changed = await run(sandbox, ['secrets', 'status'])
  expect(changed.stdout).toMatch(/not cached yet\n {4}! restart to use the new value: pid \d+\n$/)
  expect(changed.code).toBe(1)
  expect((await run(sandbox, ['ps'])).stdout).toContain('! restart to use the new value: API_KEY')
  // The other bytes turn out to hold the same value.
  const again = await sandbox.launch(executable, ['it'])
  await again.firstLine()
  expect(await run(sandbox, ['secrets', 'status'])).toMatchObject({ code: 0 })
})

test('a source that is no longer in the way leaves nothing wrong in the status', async ({ sandbox }) => {
  const file = sandbox.writeFile('token', CANARY, 0o600)
  sandbox.writeRegistry({ servers: { it: { ...PRINTS, secrets: { API_KEY: { command: ['cat', file] } } } } })
  execFileSync('mv', [file, `${file}.away`])
  expect(await run(sandbox, ['it'])).toMatchObject({ code: 1 })
  expect(await run(sandbox, ['secrets', 'status'])).toMatchObject({ code: 1 })
  execFileSync('mv', [`${file}.away`, file])
  expect(await run(sandbox, ['secrets', 'refresh'])).toMatchObject({ code: 0 })
  expect(await run(sandbox, ['secrets', 'status'])).toMatchObject({ code: 0 })
})

test('clear leaves nothing that could be read, also of what was set aside or killed', async ({ sandbox }) => {
  const source = upstream(sandbox)
  sandbox.writeRegistry(printing(source))
  // The upstream's own file has the value: it is no part of the search.
  const found = (text: string) =>
    execFileSync('sh', ['-c', `grep -rlaF -e ${text} ${sandbox.home} --exclude=upstream.value || true`]).toString()
  const ages = () => found('age-encryption.org')
  await run(sandbox, ['it'])
  expect(ages()).toContain('secrets.enc')
  const whole = readFileSync(join(sandbox.cacheDir, 'secrets.enc'))
  sandbox.writeFile(join(sandbox.cacheDir, 'secrets.enc.4194304.tmp'), whole)
  sandbox.writeFile(join(sandbox.cacheDir, 'secrets.enc.damaged'), whole)
  expect(found(CANARY)).toBe('')
  await run(sandbox, ['secrets', 'clear'])
  expect(ages()).toBe('')
  expect(found(CANARY)).toBe('')
  expect(cacheFiles(sandbox).filter((name) => name.startsWith('secrets.'))).toEqual([])
  expect(await run(sandbox, ['it'])).toMatchObject({ code: 0, stdout: `${CANARY}\n` })
  expect(source.calls()).toBe(2)
})

test('two refreshes at once are one after the other', async ({ sandbox }) => {
  const source = upstream(sandbox)
  const [go, inside] = ['go', 'inside'].map((name) => join(sandbox.home, name)) as [string, string]
  source.behave(`mkdir ${inside} || exit 9; until [ -e ${go} ]; do sleep 0.02; done; rmdir ${inside}`)
  sandbox.writeRegistry(printing(source))
  const first = await sandbox.launch(executable, ['secrets', 'refresh'])
  await waitFor(() => source.calls() === 1, { what: 'the first question' })
  const second = await sandbox.launch(executable, ['secrets', 'refresh'])
  // A launch waits for the fetch that is under way.
  const launch = await sandbox.launch(executable, ['it'])
  sandbox.writeFile(go, '')
  const ends = await Promise.all([first, second, launch].map((one) => outcome(one)))
  expect(ends.map(({ code, stderr }) => `${code}${stderr}`)).toEqual(['0', '0', '0'])
  expect(ends[2]?.stdout).toBe(`${CANARY}\n`)
  expect(source.calls()).toBe(2)
  await sandbox.expectNothingLeft()
})

test('the audit log has what happened, and never a value', async ({ sandbox }) => {
  const source = upstream(sandbox)
  const away = { command: ['sh', '-c', 'echo away >&2; exit 75'] }
  sandbox.writeRegistry({
    servers: {
      it: { ...PRINTS, env: { PLAIN: 'x' }, secrets: { API_KEY: source.ref } },
      broken: { ...PRINTS, secrets: { API_KEY: away } },
    },
  })
  const launched = await sandbox.launch(executable, ['it'])
  await outcome(launched)
  await run(sandbox, ['broken'])
  await run(sandbox, ['secrets', 'refresh', 'it'])
  const about = { time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/), pid: expect.any(Number) }
  const client = { pid: process.pid, program: expect.any(String) }
  const ref = JSON.stringify(source.ref)
  const asked = { source: JSON.stringify(away), failures: 1, until: expect.any(String) }
  const error = 'can\'t resolve "command sh": it ended with 75'
  // The launch and its fetcher write side by side.
  const byEvent = auditLines(sandbox).sort((one, other) => `${one['event']}`.localeCompare(`${other['event']}`))
  expect(byEvent).toEqual([
    { ...about, event: 'cooldown', ...asked, error },
    { ...about, event: 'failure', server: 'broken', client, exitCode: 75, error },
    {
      ...about,
      pid: launched.pid,
      event: 'launch',
      server: 'it',
      start: expect.any(Number),
      boot: expect.any(String),
      client,
      variables: expect.toSatisfy((names: string[]) => names.sort().join() === 'API_KEY,PLAIN'),
      cache: { API_KEY: 'fetched' },
      held: { [ref]: { changedAt: expect.any(Number) } },
    },
    { ...about, event: 'refresh', ref, outcome: 'fetched' },
    { ...about, event: 'refresh', ref: JSON.stringify(away), outcome: 'failed', error },
    { ...about, event: 'refresh', ref, outcome: 'fetched' },
  ])
  expect(readFileSync(join(sandbox.stateDir, 'audit.jsonl'), 'utf8')).not.toContain(CANARY)
})

const noStrace = ((): string | undefined => {
  try {
    execFileSync('strace', ['-f', 'true'], { stdio: 'ignore' })
    return undefined
  } catch {
    return 'no strace, or no right to use it'
  }
})()

describe.skipIf(noStrace)("1Password's SDK", () => {
  /** The files that a launch on the bundle opens, with those of its fetcher. */
  async function opened(sandbox: Sandbox, env: Record<string, string> = {}): Promise<string> {
    const trace = join(sandbox.home, 'trace')
    const prefix = ['strace', '-f', '-e', 'trace=openat,open,execve', '-o', trace]
    await run(sandbox, ['it'], { artefact: bundle, prefix, env })
    await sandbox.expectNothingLeft()
    return readFileSync(trace, 'utf8')
  }

  const REF = 'op://vault/item/field'

  test('is not loaded on a hit, and nothing is started', async ({ sandbox }) => {
    sandbox.writeRegistry({ servers: { it: { ...PRINTS, secrets: { API_KEY: REF } } } })
    await plant(sandbox, opKey(REF), CANARY)
    const files = await opened(sandbox)
    expect(files).toContain('mcp-launch.cjs')
    expect(files).not.toContain('core_bg.wasm')
    expect(files).not.toContain('"secrets", "refresh"')
  })

  test('is loaded on a miss: the test above would see it', async ({ sandbox }) => {
    sandbox.writeRegistry({
      cache: { resolveTimeout: '20s' },
      servers: { it: { ...PRINTS, secrets: { API_KEY: REF } } },
    })
    const files = await opened(sandbox, { OP_SERVICE_ACCOUNT_TOKEN: 'ops_eyJub3QiOiJhIHRva2VuIn0' })
    expect(files).toContain('"secrets", "refresh"')
    expect(files).toContain('core_bg.wasm')
  })
})
