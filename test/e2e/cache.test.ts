import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect } from 'vitest'
import {
  age,
  atOnce,
  auditLines,
  CANARY,
  cacheFiles,
  inTurn,
  opKey,
  PRINTS,
  plant,
  printing,
  run,
  STAYS,
  storeOf,
  upstream,
} from './cache-upstream.ts'
import { bundle, executable } from './harness/artefacts.ts'
import { answers, INITIALIZE } from './harness/json-rpc.ts'
import { outcome } from './harness/outcome.ts'
import { markedProcesses } from './harness/processes.ts'
import { type Sandbox, test } from './harness/sandbox.ts'
import { waitFor } from './harness/wait-for.ts'

const HOUR = 3_600_000
/** What a busy machine needs for many launches at once. */
const PATIENT = { resolveTimeout: '30s' }

const values = (outcomes: readonly { stdout: string; stderr: string; code: number | null }[]) =>
  outcomes.map(({ stdout, stderr, code }) => (code === 0 ? stdout.trim() + stderr : `${code}: ${stderr}`))

describe.each([executable, bundle])('$name', (artefact) => {
  test('the second launch asks nobody', async ({ sandbox }) => {
    const source = upstream(sandbox)
    sandbox.writeRegistry(printing(source))
    for (const _ of [1, 2, 3]) {
      expect(await run(sandbox, ['it'], { artefact })).toMatchObject({ code: 0, stdout: `${CANARY}\n`, stderr: '' })
    }
    expect(source.calls()).toBe(1)
    expect(auditLines(sandbox).map(({ event, cache }) => [event, cache])).toEqual([
      ['refresh', undefined],
      ['launch', { API_KEY: 'fetched' }],
      ['launch', { API_KEY: 'hit' }],
      ['launch', { API_KEY: 'hit' }],
    ])
    await sandbox.expectNothingLeft()
  })

  test('an expired value whose source is down is used with its age on stderr', async ({ sandbox }) => {
    const source = upstream(sandbox)
    sandbox.writeRegistry(printing(source))
    await run(sandbox, ['it'], { artefact })
    await age(sandbox, 5 * HOUR)
    source.behave('echo no network >&2; exit 75')
    const stale = await run(sandbox, ['it'], { artefact })
    expect(stale).toMatchObject({ code: 0, stdout: `${CANARY}\n` })
    expect(stale.stderr).toMatch(
      /^mcp-launch: note: using the value of .* of 5 h ago: .*it ended with 75: no network\n$/,
    )
    expect(await run(sandbox, ['it'], { artefact })).toMatchObject({ code: 0, stdout: `${CANARY}\n` })
    expect(source.calls()).toBe(2)
  })
})

describe('many at once', () => {
  test('50 launches on a cold cache are one question, and all start', async ({ sandbox }) => {
    const source = upstream(sandbox)
    sandbox.writeRegistry(printing(source, PATIENT))
    const outcomes = await atOnce(50, () => run(sandbox, ['it']))
    expect(values(outcomes)).toEqual(Array(50).fill(CANARY))
    expect(source.calls()).toBe(1)
    await sandbox.expectNothingLeft()
  })

  test('50 launches on an expired cache are one question, and all have the new value', async ({ sandbox }) => {
    const source = upstream(sandbox)
    sandbox.writeRegistry(printing(source, PATIENT))
    await run(sandbox, ['it'])
    await age(sandbox, 5 * HOUR)
    source.answer('new')
    expect(values(await atOnce(50, () => run(sandbox, ['it'])))).toEqual(Array(50).fill('new'))
    expect(source.calls()).toBe(2)
  })

  test('20 servers with one reference are one question', async ({ sandbox }) => {
    const source = upstream(sandbox)
    const names = Array.from({ length: 20 }, (_, index) => `server-${index}`)
    const entry = { ...PRINTS, secrets: { API_KEY: source.ref } }
    sandbox.writeRegistry({ cache: PATIENT, servers: Object.fromEntries(names.map((name) => [name, entry])) })
    expect(values(await Promise.all(names.map((name) => run(sandbox, [name]))))).toEqual(Array(20).fill(CANARY))
    expect(source.calls()).toBe(1)
  })

  test('20 servers with a reference each are a question each', async ({ sandbox }) => {
    const sources = Array.from({ length: 20 }, (_, index) => upstream(sandbox, `upstream-${index}`))
    for (const [index, source] of sources.entries()) source.answer(`value-${index}`)
    const entries = sources.map(({ ref }, index) => [`server-${index}`, { ...PRINTS, secrets: { API_KEY: ref } }])
    sandbox.writeRegistry({ cache: PATIENT, servers: Object.fromEntries(entries) })
    const outcomes = await Promise.all(sources.map((_, index) => run(sandbox, [`server-${index}`])))
    expect(values(outcomes)).toEqual(sources.map((_, index) => `value-${index}`))
    expect(sources.map((source) => source.calls())).toEqual(Array(20).fill(1))
  })

  test('20 launches of what is nearly expired start at once, and renew it once', async ({ sandbox }) => {
    const source = upstream(sandbox)
    sandbox.writeRegistry(printing(source, PATIENT))
    await run(sandbox, ['it'])
    await age(sandbox, 3.5 * HOUR)
    source.answer('new')
    // Nobody waits for it: it doesn't end before we say so.
    const go = join(sandbox.home, 'go')
    source.behave(`until [ -e ${go} ]; do sleep 0.02; done`)
    expect(values(await atOnce(20, () => run(sandbox, ['it'])))).toEqual(Array(20).fill(CANARY))
    sandbox.writeFile(go, '')
    await sandbox.expectNothingLeft()
    expect(source.calls()).toBe(2)
    expect(values([await run(sandbox, ['it'])])).toEqual(['new'])
    expect(source.calls()).toBe(2)
  })
})

describe('a source that takes longer than resolveTimeout', () => {
  test('ends the launch with 75; the fetch goes on, and the next launch is a hit', async ({ sandbox }) => {
    const source = upstream(sandbox)
    const go = join(sandbox.home, 'go')
    source.behave(`until [ -e ${go} ]; do sleep 0.02; done`)
    sandbox.writeRegistry(printing(source, { resolveTimeout: '1s' }))
    const launched = await sandbox.launch(executable, ['it'])
    const late = await outcome(launched, INITIALIZE)
    expect(late.code).toBe(75)
    expect(late.stderr).toMatch(
      /^mcp-launch: error: can't resolve ".*upstream.sh.*": no answer in time; it is still being asked for\nmcp-launch: hint: start the server again in a moment, or raise "resolveTimeout" under "cache"\n$/,
    )
    expect(answers(late.stdout)[0]?.error).toMatchObject({ message: expect.stringContaining('no answer in time') })
    sandbox.writeFile(go, '')
    await sandbox.expectNothingLeft()
    expect(await run(sandbox, ['it'])).toMatchObject({ code: 0, stdout: `${CANARY}\n`, stderr: '' })
    expect(source.calls()).toBe(1)
  })

  test('is the child of nobody that matters: a server has no children that it did not start', async ({ sandbox }) => {
    const source = upstream(sandbox)
    const go = join(sandbox.home, 'go')
    sandbox.writeRegistry({ servers: { it: { ...STAYS, secrets: { API_KEY: source.ref } } } })
    const first = await sandbox.launch(executable, ['it'])
    expect(await first.firstLine()).toBe('ready')
    await age(sandbox, 3.5 * HOUR)
    source.behave(`until [ -e ${go} ]; do sleep 0.02; done`)
    const second = await sandbox.launch(executable, ['it'])
    expect(await second.firstLine()).toBe('ready')
    await waitFor(() => source.calls() === 2, { what: 'the renewal behind the launch' })
    for (const { pid } of [first, second]) {
      expect(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')).toBe('')
    }
    sandbox.writeFile(go, '')
    await waitFor(() => markedProcesses('', sandbox.home).length === 2, { what: 'the end of the renewal' })
    for (const { pid } of [first, second]) {
      expect(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')).toBe('')
    }
  })

  test('killed while a server lives that was started over it blocks nobody', async ({ sandbox }) => {
    const source = upstream(sandbox)
    const other = upstream(sandbox, 'other')
    sandbox.writeRegistry({
      cache: { resolveTimeout: '20s' },
      servers: {
        it: { ...STAYS, secrets: { API_KEY: source.ref } },
        other: { ...PRINTS, secrets: { API_KEY: other.ref } },
      },
    })
    const first = await sandbox.launch(executable, ['it'])
    await first.firstLine()
    await age(sandbox, 3.5 * HOUR)
    source.behave('sleep 1000')
    const second = await sandbox.launch(executable, ['it'])
    await second.firstLine()
    const fetchers = () => markedProcesses('', sandbox.home).filter(({ command }) => command.includes('refresh'))
    await waitFor(() => fetchers().length > 0, { what: 'the fetcher' })
    for (const { pid } of fetchers()) process.kill(pid, 'SIGKILL')
    expect(await run(sandbox, ['other'])).toMatchObject({ code: 0, stdout: `${CANARY}\n` })
  })
})

describe('clients that start again and again', () => {
  test('1,000 launches over a secret that fails are one question', async ({ sandbox }) => {
    const source = upstream(sandbox)
    source.behave('echo locked >&2; exit 1')
    sandbox.writeRegistry(printing(source))
    const start = Date.now()
    const outcomes = await inTurn(1_000, () => run(sandbox, ['it']))
    // The first cooldown is a minute, the second two: a slow machine may see one end.
    const ended = Math.floor(Math.log2((Date.now() - start) / 60_000 + 1))
    expect(outcomes.filter(({ code }) => code !== 1)).toEqual([])
    expect(source.calls()).toBeGreaterThan(0)
    expect(source.calls()).toBeLessThanOrEqual(1 + ended)
    expect(outcomes.at(-1)?.stderr).toMatch(/it ended with 1: locked; not asked again for \d+ s/)
  }, 240_000)

  test('200 launches of a server that crashes are one question', async ({ sandbox }) => {
    const source = upstream(sandbox)
    const crash = { command: 'sh', args: ['-c', 'exit 1'], scope: 'off', secrets: { API_KEY: source.ref } }
    sandbox.writeRegistry({ cache: PATIENT, servers: { it: crash } })
    const outcomes = await inTurn(200, () => run(sandbox, ['it']))
    expect(outcomes.filter(({ code, stderr }) => code !== 1 || stderr !== '')).toEqual([])
    expect(source.calls()).toBe(1)
  })
})

const noUnshare = ((): string | undefined => {
  try {
    execFileSync('unshare', ['-n', '-m', 'true'], { stdio: 'ignore' })
    return undefined
  } catch {
    return 'no right to make namespaces'
  }
})()

describe('without', () => {
  test.skipIf(noUnshare)('a network, a warm launch starts', async ({ sandbox }) => {
    sandbox.writeRegistry({ servers: { it: { ...PRINTS, secrets: { API_KEY: 'op://vault/item/field' } } } })
    await plant(sandbox, opKey('op://vault/item/field'), CANARY)
    const outcomes = await run(sandbox, ['it'], { prefix: ['unshare', '-n'] })
    expect(outcomes).toMatchObject({ code: 0, stdout: `${CANARY}\n`, stderr: '' })
    await sandbox.expectNothingLeft()
  })

  /** Runs the rest of the argv in a mount namespace in which this was done. */
  const mounted = (script: string) => ['unshare', '-m', 'sh', '-ec', `${script}; exec "$@"`, 'sh']

  test.skipIf(noUnshare)('room on the disk, a launch asks its source and says so', async ({ sandbox }) => {
    const source = upstream(sandbox)
    sandbox.writeRegistry(printing(source))
    await run(sandbox, ['it'])
    for (const [room, fill] of [
      ['none', `head -c 1000000 /dev/zero > ${sandbox.cacheDir}/filler 2>/dev/null || true`],
      ['a little', `head -c 8192 /dev/zero > ${sandbox.cacheDir}/filler`],
    ]) {
      const before = source.calls()
      const prefix = mounted(`mount -t tmpfs -o size=16k,mode=700 none ${sandbox.cacheDir}; ${fill}`)
      const full = await run(sandbox, ['it'], { prefix })
      expect(full, room).toMatchObject({ code: 0, stdout: `${CANARY}\n` })
      expect(full.stderr).toMatch(/^mcp-launch: note: can't use the cache( ".*")?: .*\n$/)
      expect(source.calls() - before, room).toBe(1)
    }
  })

  test.skipIf(noUnshare)('a home that can be written, a launch asks its source and says so', async ({ sandbox }) => {
    const source = upstream(sandbox)
    // The upstream writes its calls elsewhere: the home is read-only.
    sandbox.writeRegistry({ servers: { it: { ...PRINTS, secrets: { API_KEY: { command: ['echo', CANARY] } } } } })
    const prefix = mounted(`mount --bind ${sandbox.home} ${sandbox.home}; mount -o remount,bind,ro ${sandbox.home}`)
    const readOnly = await run(sandbox, ['it'], { prefix })
    expect(readOnly).toMatchObject({ code: 0, stdout: `${CANARY}\n` })
    expect(readOnly.stderr).toMatch(/^mcp-launch: note: can't use the cache ".*": read-only file system \(.*\)\n$/)
    expect(source.calls()).toBe(0)
  })

  test.skipIf(noUnshare)('a home that can be written, a warm launch is a hit', async ({ sandbox }) => {
    const source = upstream(sandbox)
    sandbox.writeRegistry(printing(source))
    await run(sandbox, ['it'])
    const prefix = mounted(`mount --bind ${sandbox.home} ${sandbox.home}; mount -o remount,bind,ro ${sandbox.home}`)
    expect(await run(sandbox, ['it'], { prefix })).toMatchObject({ code: 0, stdout: `${CANARY}\n`, stderr: '' })
    expect(source.calls()).toBe(1)
  })

  test.for([
    ['nowhere', '/proc/nowhere'],
    ['a file', '/etc/passwd'],
    ['a file below a file', '/etc/passwd/x'],
  ] as const)('XDG directories (%s), a launch asks its source and says so', async ([, path], { sandbox }) => {
    const source = upstream(sandbox)
    sandbox.writeRegistry(printing(source))
    const config = { XDG_CONFIG_HOME: join(sandbox.home, '.config') }
    for (const env of [
      { XDG_CACHE_HOME: path, ...config },
      { XDG_STATE_HOME: path, ...config },
      { XDG_CACHE_HOME: path, XDG_STATE_HOME: path, ...config },
    ]) {
      const before = source.calls()
      const there = await run(sandbox, ['it'], { env })
      expect(there).toMatchObject({ code: 0, stdout: `${CANARY}\n` })
      expect(there.stderr).toMatch(/^mcp-launch: note: can't use the cache ".*": .*\n$/)
      expect(source.calls() - before).toBe(1)
    }
  })

  test('absolute XDG directories, the usual ones are used', async ({ sandbox }) => {
    const source = upstream(sandbox)
    sandbox.writeRegistry(printing(source))
    const env = { XDG_CACHE_HOME: 'relative', XDG_STATE_HOME: './also' }
    expect(await run(sandbox, ['it'], { env })).toMatchObject({ code: 0, stderr: '' })
    expect(cacheFiles(sandbox)).toContain('secrets.enc')
    expect(await run(sandbox, ['it'], { env })).toMatchObject({ code: 0, stderr: '' })
    expect(source.calls()).toBe(1)
  })
})

describe('damage', () => {
  test('is fetched again, set aside and logged once', async ({ sandbox }) => {
    const source = upstream(sandbox)
    sandbox.writeRegistry(printing(source, PATIENT))
    await run(sandbox, ['it'])
    sandbox.writeFile(join(sandbox.cacheDir, 'secrets.enc'), 'garbage')
    expect(values(await atOnce(10, () => run(sandbox, ['it'])))).toEqual(Array(10).fill(CANARY))
    expect(source.calls()).toBe(2)
    const file = join(sandbox.cacheDir, 'secrets.enc')
    expect(auditLines(sandbox).filter(({ event }) => event === 'damage')).toEqual([
      expect.objectContaining({ file, why: 'it is no age file for one X25519 recipient' }),
    ])
    expect(readFileSync(`${file}.damaged`, 'utf8')).toBe('garbage')
  })

  test('of the machine key by chmod is refused with what mends it, and the launch goes on', async ({ sandbox }) => {
    const source = upstream(sandbox)
    sandbox.writeRegistry(printing(source))
    await run(sandbox, ['it'])
    const key = join(sandbox.stateDir, 'machine.key')
    execFileSync('chmod', ['644', key])
    const open = await run(sandbox, ['it'])
    expect(open).toMatchObject({ code: 0, stdout: `${CANARY}\n` })
    expect(open.stderr).toBe(
      `mcp-launch: note: refusing the machine key "${key}": others can read it (mode 0644) (chmod 600 ${key})\n`,
    )
    execFileSync('chmod', ['600', key])
    expect(await run(sandbox, ['it'])).toMatchObject({ code: 0, stderr: '' })
    expect(source.calls()).toBe(2)
  })

  test('of the machine key by its loss costs one fetch', async ({ sandbox }) => {
    const source = upstream(sandbox)
    sandbox.writeRegistry(printing(source))
    await run(sandbox, ['it'])
    execFileSync('rm', [join(sandbox.stateDir, 'machine.key')])
    for (const _ of [1, 2])
      expect(await run(sandbox, ['it'])).toMatchObject({ code: 0, stdout: `${CANARY}\n`, stderr: '' })
    expect(source.calls()).toBe(2)
  })
})

describe('kill -9', () => {
  test('of launchers and fetchers, 200 times, leaves whole files, no lock and no litter', async ({ sandbox }) => {
    const source = upstream(sandbox)
    // Always due.
    sandbox.writeRegistry(printing(source, { ttl: '1ms', maxStale: '1h', resolveTimeout: '30s' }))
    let failures = 0
    const round = async (index: number) => {
      const launched = await sandbox.launch(executable, ['it'])
      launched.stdin.end()
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 60))
      // Every third time only the fetcher dies, so that the launcher has to do with that.
      if (index % 3 !== 0) launched.kill('SIGKILL')
      for (const { pid } of fetchers(sandbox)) if (Math.random() < 0.7) kill(pid)
      const how = await launched.processEnded
      if (how.signal !== 'SIGKILL' && how.code !== 0) failures += 1
      return { ...how, stdout: '', stderr: '' }
    }
    await inTurn(200, round)
    expect(failures).toBe(0)
    await sandbox.expectNothingLeft(40_000)

    const damage: string[] = []
    const store = await storeOf(sandbox, damage)
    for (const { value } of (await store.readValues()).values()) expect(value.reveal()).toBe(CANARY)
    expect(store.readMeta().format).toBe(1)
    source.answer('after')
    expect(await run(sandbox, ['it'])).toMatchObject({ code: 0, stdout: 'after\n' })
    await sandbox.expectNothingLeft()
    const litter = cacheFiles(sandbox).filter((name) => name.endsWith('.tmp'))
    expect(litter.filter((name) => !/^(secrets|fetch-[0-9a-f]+)\.lock\./.test(name))).toEqual([])
    // What was written without the lock is swept when it is a minute old.
    execFileSync('sh', ['-c', 'cd "$1" && touch -d "2 minutes ago" *', 'sh', sandbox.cacheDir])
    expect(await run(sandbox, ['it'])).toMatchObject({ code: 0, stdout: 'after\n' })
    await sandbox.expectNothingLeft()
    expect(cacheFiles(sandbox).filter((name) => name.endsWith('.tmp') || name.endsWith('.damaged'))).toEqual([])
    expect(cacheFiles(sandbox).filter((name) => name.endsWith('.lock'))).toEqual([])
    for (const line of auditLines(sandbox)) expect(line).toHaveProperty('event')
  }, 200_000)
})

function fetchers(sandbox: Sandbox) {
  return markedProcesses('', sandbox.home).filter(({ command }) => command.includes(' secrets refresh '))
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It ended meanwhile.
  }
}

describe('what is cached although its source is at hand', () => {
  test('a variable and a file with "cache: true" are fetched, and outlive their source', async ({ sandbox }) => {
    const file = sandbox.writeFile('token', 'from the file')
    sandbox.writeRegistry({
      servers: {
        it: {
          command: 'sh',
          args: ['-c', 'echo "$A, $B"'],
          scope: 'off',
          secrets: { A: { from: `file:${file}`, cache: true }, B: { from: 'env:GIVEN', cache: '1h' } },
        },
      },
    })
    const env = { GIVEN: 'from the client' }
    expect(await run(sandbox, ['it'], { env })).toMatchObject({ code: 0, stdout: 'from the file, from the client\n' })
    execFileSync('rm', [file])
    expect(await run(sandbox, ['it'])).toMatchObject({ code: 0, stdout: 'from the file, from the client\n' })
  })

  test('one server that caches a reference is not hindered by another that does not', async ({ sandbox }) => {
    const source = upstream(sandbox)
    const secrets = (cache: boolean) => ({ API_KEY: { from: source.ref, cache } })
    sandbox.writeRegistry({
      servers: { it: { ...PRINTS, secrets: secrets(true) }, other: { ...PRINTS, secrets: secrets(false) } },
    })
    for (const _ of [1, 2]) expect(await run(sandbox, ['it'])).toMatchObject({ code: 0, stderr: '' })
    expect(source.calls()).toBe(1)
    for (const _ of [1, 2]) await run(sandbox, ['other'])
    expect(source.calls()).toBe(3)
  })
})
