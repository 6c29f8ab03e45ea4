import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { refresh } from '../../../src/commands/secrets/refresh.ts'
import { select } from '../../../src/commands/secrets/selection.ts'
import { type Lock, tryLock, tryLockForAnother } from '../../../src/lock.ts'
import type { SecretSpec, ServerEntry } from '../../../src/registry/entry.ts'
import { ERASE } from '../../../src/report/live-output.ts'
import { AT_ONCE } from '../../../src/secrets/cache/fetch.ts'
import { secretSource, specsOf } from '../../../src/secrets/open.ts'
import { parseRef } from '../../../src/secrets/parse-ref.ts'
import type { Program, World } from '../../../src/world.ts'
import { User } from './home.ts'

const audited = (user: User) =>
  readFileSync(join(user.home, '.local/state/mcp-launch/audit.jsonl'), 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>)

describe('secrets refresh', () => {
  test('keeps a value for as long as any server may use it', async () => {
    const user = new User()
    const a = user.script('a', 'echo canary')
    const servers = { short: { A: { from: a, cache: '5m' } }, long: { A: { from: a, cache: '8h' } } }
    user.register(servers, { cache: { maxStale: '0s', ttl: '1h' } })
    await refresh(user.world, ['short'], {})
    const [value] = (await (await user.store()).readValues()).values()
    expect((value?.uselessAfter ?? 0) - (value?.fetchedAt ?? 0)).toBeGreaterThanOrEqual(8 * 3_600_000)
  })

  test('of a timer, whose output goes to a log, does not print what a failing command says', async () => {
    const user = new User()
    user.register({ one: { A: user.script('a', 'echo canary >&2; exit 1') } })
    for (const json of [false, true]) {
      await refresh(user.world, [], { scheduled: true, json })
      expect(user.said()).not.toContain('canary')
    }
    await refresh(user.world, [], {})
    expect(user.said()).toContain('it ended with 1: canary')
  })

  test('asks for all, says what came of each, and ends with 0', async () => {
    const user = new User()
    user.register({ one: { A: user.script('a', 'echo canary-a') }, two: { B: user.script('b', 'echo canary-b') } })
    expect(await refresh(user.world, [], {})).toBe(0)
    expect(user.said().split('\n').sort()).toEqual([
      '',
      'fetched  {"command":["~/a.sh"]}',
      'fetched  {"command":["~/b.sh"]}',
    ])
    expect(await user.cached()).toEqual(['canary-a', 'canary-b'])
    expect(audited(user).map(({ event, outcome }) => [event, outcome])).toEqual([
      ['refresh', 'fetched'],
      ['refresh', 'fetched'],
    ])
    expect(JSON.stringify(audited(user))).not.toContain('canary')
  })

  test('asks for some', async () => {
    const user = new User()
    user.register({ one: { A: user.script('a', 'echo a') }, two: { B: user.script('b', 'echo b') } })
    expect(await refresh(user.world, ['two'], {})).toBe(0)
    expect(await user.cached()).toEqual(['b'])
  })

  test('says what failed and what to do, and ends with 1', async () => {
    const user = new User()
    user.register({ one: { A: user.script('a', 'echo locked >&2; exit 3') } })
    expect(await refresh(user.world, [], {})).toBe(1)
    expect(user.said()).toBe(
      'failed  can\'t resolve "command ~/a.sh": it ended with 3: locked\n' +
        '        hint: run the command by hand and see what it says\n',
    )
    expect(audited(user)).toMatchObject([
      {
        event: 'cooldown',
        source: JSON.stringify({ command: [`${user.home}/a.sh`] }),
        failures: 1,
        error: `can't resolve "command ${user.home}/a.sh": it ended with 3`,
      },
      { event: 'refresh', outcome: 'failed' },
    ])
  })

  test('ends with 75 if a later try may mend it all, and with 1 if not', async () => {
    const user = new User()
    const away = user.script('away', 'exit 75')
    user.register({ one: { A: away } })
    expect(await refresh(user.world, [], {})).toBe(75)
    user.register({ one: { A: away, B: user.script('no', 'exit 1') } })
    expect(await refresh(user.world, [], {})).toBe(1)
  })

  test('prints JSON', async () => {
    const user = new User()
    user.register({ one: { A: user.script('a', 'echo canary') }, two: { B: user.script('b', 'exit 1') } })
    expect(await refresh(user.world, [], { json: true })).toBe(1)
    const { secrets } = JSON.parse(user.said()) as { secrets: { outcome: string }[] }
    expect(secrets.sort((a, b) => a.outcome.localeCompare(b.outcome))).toEqual([
      {
        ref: '{"command":["~/b.sh"]}',
        outcome: 'failed',
        error: 'can\'t resolve "command ~/b.sh": it ended with 1',
        hint: 'run the command by hand and see what it says',
      },
      { ref: '{"command":["~/a.sh"]}', outcome: 'fetched' },
    ])
  })

  test('refuses an unknown server before it asks anybody', async () => {
    const user = new User()
    user.register({ one: { A: user.script('a', `touch ${user.home}/asked; echo a`) } })
    await expect(refresh(user.world, ['one', 'tow'], {})).rejects.toMatchObject({ exitCode: 2 })
    expect(user.world.files.stat(join(user.home, 'asked'))).toBeUndefined()
  })

  test('says each as it is settled', async () => {
    const user = new User()
    const go = join(user.home, 'go')
    user.register({
      one: { A: user.script('a', 'echo a'), B: user.script('b', `until [ -e ${go} ]; do sleep 0.02; done; echo b`) },
    })
    const refreshing = refresh(user.world, [], {})
    let early = ''
    await expect
      .poll(() => {
        early += user.said()
        return early
      })
      .toBe('fetched  {"command":["~/a.sh"]}\n')
    writeFileSync(go, '')
    expect(await refreshing).toBe(0)
    expect(user.said()).toBe('fetched  {"command":["~/b.sh"]}\n')
  })

  test('waits for another that is under way', async () => {
    const user = new User()
    const secret = user.script('a', 'echo a')
    user.register({ one: { A: secret } })
    await user.store()
    const held = tryLock(user.world, user.lockOf(secret)) as Lock
    const refreshing = refresh(user.world, [], {})
    expect(user.said()).toBe('')
    held.release()
    expect(await refreshing).toBe(0)
    expect(await user.cached()).toEqual(['a'])
  })

  test('gives up when the other one had all its time, with 75', async () => {
    const user = new User()
    const secret = user.script('a', 'echo a')
    user.register({ one: { A: secret } })
    await user.store()
    tryLock(user.world, user.lockOf(secret), 600_000)
    const sleep = () => {
      user.shift += 30_000
      return Promise.resolve()
    }
    await expect(refresh({ ...user.world, sleep }, [], {})).rejects.toMatchObject({
      message: 'another refresh is still under way',
      exitCode: 75,
    })
  })

  test('says so if the cache cannot be written', async () => {
    const user = new User()
    user.register({ one: { A: user.script('a', 'echo a') } })
    await user.store()
    const full = () => {
      throw Object.assign(new Error('full'), { code: 'ENOSPC' })
    }
    const world = { ...user.world, files: { ...user.world.files, writeWhole: full } }
    await expect(refresh(world, [], {})).rejects.toMatchObject({
      message: "can't use the cache: no space left on the device",
      exitCode: 1,
    })
  })

  test('asks also for what was refused a short while ago, unless a timer asks', async () => {
    const user = new User()
    user.register({ one: { A: user.script('a', `echo x >> ${user.home}/calls; exit 1`) } })
    const calls = () => readFileSync(join(user.home, 'calls'), 'utf8').length / 2
    await refresh(user.world, [], {})
    await refresh(user.world, [], {})
    expect(calls()).toBe(2)
    user.said()
    expect(await refresh(user.world, [], { scheduled: true })).toBe(1)
    expect(calls()).toBe(2)
    expect(user.said()).toMatch(
      /^blocked {2}can't resolve "command ~\/a.sh": it ended with 1; not asked again for \d+ s /,
    )
  })

  test.each([
    ['1', 'exit 1', 1],
    ['75', 'exit 75', 75],
  ])('a timer that renews nothing fails with %s, as long as the old value is not fresh', async (_, what, code) => {
    const user = new User()
    user.register({ one: { A: user.script('a', 'echo a') } })
    await refresh(user.world, [], {})
    user.script('a', what)
    await refresh(user.world, [], {})
    expect(await refresh(user.world, [], { scheduled: true })).toBe(0)
    expect(user.said()).toMatch(/\nblocked {2}\{"command":\["~\/a.sh"\]\}\n$/)
    user.shift = 3.5 * 3_600_000
    expect(await refresh(user.world, [], { scheduled: true })).toBe(code)
    user.said()
    expect(await refresh(user.world, [], { scheduled: true, json: true })).toBe(code)
    expect(JSON.parse(user.said())).toMatchObject({
      secrets: [{ outcome: 'blocked', error: expect.stringContaining('; not asked again for') }],
    })
  })

  test('gives a source the time of a launch, if that is more than a minute', async () => {
    const user = new User()
    user.register({ one: { A: user.script('a', 'echo a') } }, { cache: { resolveTimeout: '90s' } })
    const limits: number[] = []
    expect(await refresh(noting(user, limits), ['one'], {})).toBe(0)
    expect(limits).toEqual([expect.toSatisfy((limit: number) => limit > 80_000 && limit <= 90_000)])
  })

  test.each([
    ['without secrets', {}],
    ['with none that is cached', { A: 'env:E' }],
  ])('says that there is nothing to do for a server %s', async (_, secrets) => {
    const user = new User({ E: 'e' })
    user.register({ one: secrets })
    expect(await refresh(user.world, ['one'], {})).toBe(0)
    expect(user.said()).toBe('nothing to refresh: there is no secret that is cached\n')
    expect(await refresh(user.world, ['one'], { due: true })).toBe(0)
    expect(await refresh(user.world, ['one'], { json: true })).toBe(0)
    expect(JSON.parse(user.said())).toEqual({ secrets: [] })
  })

  test('says on a terminal whom it asks and for how long, and leaves nothing of it', async () => {
    const user = new User()
    const go = join(user.home, 'go')
    user.register({ one: { A: user.script('a', `until [ -e ${go} ]; do sleep 0.02; done; echo a`) } })
    const terminal = { ...user.world.terminal, stdoutIsTerminal: true }
    const refreshing = refresh({ ...user.world, terminal }, [], {})
    let said = ''
    await expect
      .poll(() => (said += user.said()), { timeout: 5_000 })
      .toContain(`${ERASE}asking command ~/a.sh for 1 s …`)
    writeFileSync(go, '')
    expect(await refreshing).toBe(0)
    said += user.said()
    expect(said.startsWith(`${ERASE}asking command ~/a.sh …`)).toBe(true)
    expect(said.split(ERASE).at(-1)).toBe('fetched  {"command":["~/a.sh"]}\n')
  })

  test('leaves out what is never cached', async () => {
    const user = new User({ E: 'e' })
    user.register({ one: { A: 'env:E', B: { from: user.script('b', 'exit 1'), cache: false } } })
    expect(await refresh(user.world, [], {})).toBe(0)
    expect(user.said()).toBe('nothing to refresh: there is no secret that is cached\n')
    expect(await user.cached()).toEqual([])
  })

  test('fetches for a server what another one does not cache', async () => {
    const user = new User()
    const from = user.script('a', 'echo a')
    user.register({ one: { A: { from, cache: false } }, two: { A: from } })
    for (const servers of [[], ['two'], ['one', 'two']]) {
      expect(await refresh(user.world, servers, {})).toBe(0)
      expect(user.said()).toBe('fetched  {"command":["~/a.sh"]}\n')
    }
  })
})

describe('secrets refresh --due, behind a launch', () => {
  test('asks for what is missing or nearly expired, and prints nothing', async () => {
    const user = new User()
    user.register({ one: { A: user.script('a', `echo x >> ${user.home}/calls; echo a`) } })
    const calls = () => readFileSync(join(user.home, 'calls'), 'utf8').length / 2
    for (const _ of [1, 2, 3]) expect(await refresh(user.world, ['one'], { due: true })).toBe(0)
    expect(calls()).toBe(1)
    user.shift = 3.5 * 3_600_000
    expect(await refresh(user.world, ['one'], { due: true })).toBe(0)
    expect(calls()).toBe(2)
    expect(user.said()).toBe('')
  })

  test('leaves it to whoever fetches already', async () => {
    const user = new User()
    const secret = user.script('a', 'echo a')
    user.register({ one: { A: secret } })
    await user.store()
    tryLock(user.world, user.lockOf(secret))
    expect(await refresh(user.world, ['one'], { due: true })).toBe(0)
    expect(await user.cached()).toEqual([])
  })

  test('has the lock that was taken for it, and leaves none', async () => {
    const user = new User()
    const secret = user.script('a', 'echo a')
    user.register({ one: { A: secret } })
    await user.store()
    const path = user.lockOf(secret)
    const { nonce } = tryLockForAnother(user.world, path) as Lock
    expect(await refresh(user.world, ['one'], { due: true, lock: [nonce] })).toBe(0)
    expect(await user.cached()).toEqual(['a'])
    expect(user.world.files.stat(path)).toBeUndefined()
  })

  test('keeps the locks of questions that wait for their turn', async () => {
    const user = new User()
    const secrets = Object.fromEntries(
      Array.from({ length: AT_ONCE + 1 }, (_, index) => {
        const script = `echo ${index} >> ${user.home}/asked; while [ ! -e ${user.home}/go ]; do sleep 0.02; done; echo v`
        return [`S${index}`, user.script(`s${index}`, script)]
      }),
    )
    user.register({ one: secrets }, { cache: { resolveTimeout: '60s' } })
    await user.store()
    const paths = Object.values(secrets).map((secret) => user.lockOf(secret))
    const nonces = paths.map((path) => (tryLockForAnother(user.world, path) as Lock).nonce)
    const refreshed = refresh(user.world, ['one'], { due: true, lock: nonces })
    const asked = () => readFileSync(join(user.home, 'asked'), 'utf8').trim().split('\n')
    await expect.poll(() => asked().length, { timeout: 10_000 }).toBe(AT_ONCE)
    // Longer than a lock that was taken for another waits for it.
    user.shift = 10_000
    for (const path of paths) expect(tryLock(user.world, path)).toBeUndefined()
    user.write('go', '')
    expect(await refreshed).toBe(0)
    expect(asked()).toHaveLength(AT_ONCE + 1)
  })

  test('leaves others alone: a question that hangs holds up no other', async () => {
    const user = new User()
    const slow = user.script('slow', 'echo slow')
    user.register({ one: { A: slow, B: user.script('b', 'echo b') } })
    await user.store()
    const held = tryLock(user.world, user.lockOf(slow)) as Lock
    expect(await refresh(user.world, ['one'], { due: true })).toBe(0)
    expect(await user.cached()).toEqual(['b'])
    held.release()
  })

  test('that comes too late for it takes a free one, and never one that is held', async () => {
    const user = new User()
    const secret = user.script('a', 'echo a')
    user.register({ one: { A: secret } })
    await user.store()
    const path = user.lockOf(secret)
    const held = tryLock(user.world, path) as Lock
    expect(await refresh(user.world, ['one'], { due: true, lock: ['f'.repeat(24)] })).toBe(0)
    expect(await user.cached()).toEqual([])
    held.release()
    expect(await refresh(user.world, ['one'], { due: true, lock: ['f'.repeat(24)] })).toBe(0)
    expect(await user.cached()).toEqual(['a'])
  })
})

describe('secrets refresh of 1Password without a token', () => {
  const withProgram = () => {
    const user = new User()
    user.write('bin/op', '#!/bin/sh\nprintf "value of %s" "$4"\n', 0o700)
    user.register({ one: { A: 'op://vault/item/field' } })
    const env = { ...user.world.env, PATH: `${user.home}/bin:/usr/bin:/bin` }
    return { user, env }
  }

  test('asks the op program for a person at a terminal', async () => {
    const { user, env } = withProgram()
    const terminal = { ...user.world.terminal, stdinIsTerminal: true }
    expect(await refresh({ ...user.world, env, terminal }, [], {})).toBe(0)
    expect(await user.cached()).toEqual(['value of op://vault/item/field'])
  })

  test.each([
    ['a file that others can read', (user: User) => `file:${user.write('token', 'ops_canary', 0o644)}`],
    ['a program that fails', (user: User) => user.script('token', 'exit 1')],
    ['another variable', () => 'env:ANOTHER'],
  ])('asks no other account than the one whose token is in %s', async (_, token) => {
    const { user, env } = withProgram()
    user.register({ one: { A: 'op://vault/item/field' } }, { onepassword: { token: token(user) } })
    const terminal = { ...user.world.terminal, stdinIsTerminal: true }
    expect(await refresh({ ...user.world, env, terminal }, [], {})).toBe(1)
    expect(await user.cached()).toEqual([])
  })

  test.each([{ due: true }, { scheduled: true }, {}])('prompts nobody else: %j', async (options) => {
    const { user, env } = withProgram()
    const stdinIsTerminal = Object.keys(options).length > 0
    const terminal = { ...user.world.terminal, stdinIsTerminal }
    expect(await refresh({ ...user.world, env, terminal }, ['one'], options)).toBe(1)
    expect(await user.cached()).toEqual([])
  })
})

describe('a 1Password token that a program gives', () => {
  const OP = 'op://vault/item/field'
  /** A server with a reference to 1Password, one without, and a token's program that notes its runs. */
  const withToken = (what: string) => {
    const user = new User()
    const token = user.script('token', `echo x >> ${user.home}/runs; ${what}`)
    const servers = { one: { A: OP, B: 'op://vault/item/other' }, two: { C: user.script('c', 'echo c') } }
    user.register(servers, { onepassword: { token } })
    return { user, runs: () => user.world.files.list(user.home).includes('runs') && lineCount(user) }
  }
  const lineCount = (user: User) => readFileSync(join(user.home, 'runs'), 'utf8').split('\n').length - 1

  test.each([
    ['fails', 'exit 1'],
    ['gives no token', 'echo canary'],
  ])('and that %s runs once, however often a client starts the server', async (_, what) => {
    const { user, runs } = withToken(what)
    for (const _ of [1, 2, 3]) {
      await refresh(user.world, ['one'], { due: true })
      await launchOf(user, OP)
    }
    expect(runs()).toBe(1)
    user.shift = 62 * 60_000
    await refresh(user.world, ['one'], { due: true })
    expect(runs()).toBe(2)
  })

  test('does not run for a server without such a reference', async () => {
    const { user, runs } = withToken('exit 1')
    await refresh(user.world, ['two'], { due: true })
    expect(await user.cached()).toEqual(['c'])
    expect(runs()).toBe(false)
  })

  test('may take as long as a refresh', async () => {
    const { user } = withToken('exit 1')
    const limits: number[] = []
    expect(await refresh(noting(user, limits), ['one'], {})).toBe(1)
    expect(limits).toEqual([expect.toSatisfy((limit: number) => limit > 50_000 && limit <= 60_000)])
  })
})

/** What a launch is told of a reference that is refused for now. */
async function launchOf(user: User, text: string): Promise<void> {
  const { registry, context } = select(user.world, ['one'], undefined)
  const [spec] = specsOf(registry.servers.get('one') as ServerEntry).map(([, one]) => one)
  const source = secretSource(user.world, context, [spec as SecretSpec], {
    startFetch: () => Promise.reject(new Error('asked again')),
    note: () => {},
    seen: () => {},
    onDamage: () => {},
  })
  const outcome = (await source.resolve([parseRef(text)], user.world.now() + 5_000)).get(text)
  expect(String(outcome)).toContain('; not asked again for')
}

/** The user's world, with the time that each program was given. */
function noting({ world }: User, limits: number[]): World {
  const run = (program: Program) => {
    limits.push(program.timeoutMs)
    return world.processes.run(program)
  }
  return { ...world, processes: { ...world.processes, run } }
}
