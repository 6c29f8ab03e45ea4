import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { audit } from '../../../src/audit.ts'
import { refresh } from '../../../src/commands/secrets/refresh.ts'
import { status } from '../../../src/commands/secrets/status.ts'
import { bootId } from '../../../src/proc.ts'
import { processStart } from '../../../src/process-start.ts'
import { statusText } from '../../../src/report/status.ts'
import { Secret } from '../../../src/secrets/secret.ts'
import { User } from './home.ts'

const HOUR = 3_600_000
/** A lock that nobody took. */
const OURS = { isOurs: () => true }

describe('secrets status', () => {
  test('says what is there and what is not', async () => {
    const user = new User()
    const a = user.script('a', 'echo canary')
    user.register({ one: { A: a, E: 'env:NOWHERE', S: 'sops:s.yaml#/a' }, two: { B: user.script('b', 'exit 1') } })
    expect(await status(user.world, [], {})).toBe(1)
    const columns = user
      .said()
      .split('\n')
      .map((line) => line.split(/ {2,}/))
    expect(columns).toEqual([
      ['one', 'A', '{"command":["~/a.sh"]}', 'missing'],
      ['one', 'E', 'env:NOWHERE', 'not cached'],
      ['one', 'S', 'sops:s.yaml#/a', 'not cached yet'],
      ['', '! can\'t read "~/.config/mcp/s.yaml": no such file'],
      ['two', 'B', '{"command":["~/b.sh"]}', 'missing'],
      [''],
    ])
  })

  test('of a server whose secrets are all there ends with 0', async () => {
    const user = new User()
    user.register({ one: { A: user.script('a', 'echo canary') }, two: { B: user.script('b', 'exit 1') } })
    await refresh(user.world, ['one'], {})
    user.said()
    user.shift = 10_000
    expect(await status(user.world, ['one'], {})).toBe(0)
    expect(user.said()).toMatch(/^one {2}A {2}\{"command":\["~\/a\.sh"\]\} {2}fresh {2}10 s old, expires in 3 h\n$/)
  })

  test.each([
    [0, 0, 'fresh'],
    [3.5 * HOUR, 0, 'renew'],
    [5 * HOUR, 0, 'stale'],
    [-HOUR, 0, 'stale'],
    [8 * 24 * HOUR, 1, 'missing'],
  ])('after %i ms ends with %i: %s', async (shift, code, state) => {
    const user = new User()
    user.register({ one: { A: user.script('a', 'echo a') } })
    await refresh(user.world, [], {})
    user.said()
    user.shift = shift
    expect(await status(user.world, [], { json: true })).toBe(code)
    expect(JSON.parse(user.said())).toMatchObject({ secrets: [{ state }] })
  })

  test('says what the source said last, and until when it is not asked', async () => {
    const user = new User()
    user.register({ one: { A: user.script('a', 'echo locked >&2; exit 1') } })
    await refresh(user.world, [], {})
    user.said()
    expect(await status(user.world, [], {})).toBe(1)
    expect(user.said()).toMatch(
      /\n {4}! can't resolve "command ~\/a\.sh": it ended with 1: locked; not asked again for (1 min|5\d s)\n$/,
    )
    user.shift = HOUR
    expect(await status(user.world, [], {})).toBe(1)
    expect(user.said()).toMatch(/\n {4}! can't resolve "command ~\/a\.sh": it ended with 1: locked\n$/)
  })

  test('of a file that could not be decrypted does not say that it is not asked again: it is, at every launch', async () => {
    const user = new User()
    user.register({ one: { A: 'age:secret.age' } })
    await refresh(user.world, [], {})
    user.said()
    expect(await status(user.world, [], {})).toBe(1)
    expect(user.said()).not.toContain('not asked again')
  })

  test('of a file that is gone says so: a launch fails, whatever the cache has of it', async () => {
    const user = new User()
    const file = user.write('.config/mcp/secret.age', 'bytes')
    user.register({ one: { A: 'age:secret.age' } })
    const store = await user.store()
    const times = { fetchedAt: Date.now(), changedAt: Date.now(), contentHash: user.world.sha256('bytes') }
    await store.write(new Map([[`age:${file}`, { value: new Secret('v'), ...times }]]), store.readMeta(), OURS)
    expect(await status(user.world, [], {})).toBe(0)
    expect(user.said()).toMatch(/ fresh /)
    user.world.files.remove(file)
    expect(await status(user.world, [], {})).toBe(1)
    expect(user.said()).toBe(
      'one  A  age:secret.age  not cached yet\n    ! can\'t read "~/.config/mcp/secret.age": no such file\n',
    )
  })

  test.each<[string, (user: User) => void, string]>([
    [
      'is damaged',
      (user) => user.write('.cache/mcp-launch/secrets.enc', 'no age file'),
      'it is no age file for one X25519 recipient',
    ],
    [
      'was made with another key',
      (user) => user.write('.local/state/mcp-launch/machine.key', 'k'.repeat(32)),
      'this machine key does not open it',
    ],
    [
      'has lost its key',
      (user) => user.world.files.remove(join(user.home, '.local/state/mcp-launch/machine.key')),
      'the machine key that opens it is gone',
    ],
    [
      'has a key that others can read',
      (user) => chmodSync(join(user.home, '.local/state/mcp-launch/machine.key'), 0o644),
      'others can read it (mode 0644) (chmod 600 ~/.local/state/mcp-launch/machine.key)',
    ],
  ])('of a cache that %s says so', async (_, spoil, why) => {
    const user = new User()
    user.register({ one: { A: user.script('a', 'echo a') } })
    await refresh(user.world, [], {})
    spoil(user)
    user.said()
    expect(await status(user.world, [], {})).toBe(1)
    const [first, second] = user.said().split('\n')
    expect(first).toContain('! nothing in the cache can be used: ')
    expect(first).toContain(why)
    expect(second).toMatch(/^one {2}A .* missing$/)
    expect(await status(user.world, [], { json: true })).toBe(1)
    expect(JSON.parse(user.said())).toMatchObject({ problem: expect.stringContaining(why) })
  })

  test('makes nothing', async () => {
    const user = new User()
    user.register({ one: { A: user.script('a', 'echo a') } })
    const before = readdirSync(user.home, { recursive: true })
    expect(await status(user.world, [], {})).toBe(1)
    expect(readdirSync(user.home, { recursive: true })).toEqual(before)
  })

  test('shows what holds launches up, and not what a reference said before that', async () => {
    const user = new User()
    user.register({ one: { A: 'op://v/i/f' } })
    const store = await user.store()
    const now = Date.now()
    const block = { refusal: 'unavailable', since: now - HOUR, at: now - HOUR, failures: 1 } as const
    const source = '1password by env:OP_SERVICE_ACCOUNT_TOKEN'
    const old = { ...block, message: 'long ago', until: now - 1 }
    await store.write(
      new Map(),
      {
        ...store.readMeta(),
        refs: { [`op://v/i/f of ${source}`]: { text: 'op://v/i/f', kind: 'op', attemptedAt: now - HOUR, error: old } },
        sources: { [source]: { ...block, message: 'overloaded', until: now + 50_000 } },
      },
      OURS,
    )
    expect(await status(user.world, [], {})).toBe(1)
    expect(user.said()).toMatch(/\n {4}! overloaded; not asked again for \d+ s\n$/)
  })

  test('prints JSON, and never a value', async () => {
    const user = new User()
    user.register({ one: { A: user.script('a', 'echo canary') } })
    await refresh(user.world, [], {})
    user.said()
    expect(await status(user.world, [], { json: true })).toBe(0)
    const text = user.said()
    expect(text).not.toContain('canary')
    expect(JSON.parse(text)).toEqual({
      secrets: [
        {
          server: 'one',
          name: 'A',
          from: '{"command":["~/a.sh"]}',
          state: 'fresh',
          fetchedAt: expect.any(Number),
          expiresAt: expect.any(Number),
          superseded: [],
        },
      ],
    })
  })

  test('refuses an unknown server', async () => {
    const user = new User()
    user.register({ one: {} })
    await expect(status(user.world, ['tow'], {})).rejects.toMatchObject({ exitCode: 2 })
  })

  test('of no secrets says so', async () => {
    const user = new User()
    user.register({ one: {} })
    expect(await status(user.world, [], {})).toBe(0)
    expect(user.said()).toBe('no server has secrets\n')
  })

  test('survives states of any kind', async () => {
    const user = new User()
    const ref = user.script('a', 'echo a')
    user.register({ one: { A: ref } })
    const store = await user.store()
    const key = `${JSON.stringify(ref)} in ${user.home}/.config/mcp`
    mkdirSync(store.places.directory, { recursive: true })
    for (const state of [
      null,
      5,
      'x',
      {},
      { error: null },
      { error: {} },
      { error: { until: 'x', message: 'm' } },
      { error: { refusal: 'constructor' } },
    ]) {
      writeFileSync(
        store.places.meta,
        JSON.stringify({ format: 1, refs: { [key]: state }, sources: { command: null } }),
      )
      expect(await status(user.world, [], {})).toBe(1)
    }
  })
})

describe('running servers', () => {
  const launched = (user: User, since: number, start = processStart(user.world, process.pid) as number) =>
    audit(
      { ...user.world, now: () => since },
      {
        event: 'launch',
        server: 'one',
        start,
        boot: bootId(user.world),
        client: { pid: 1 },
        variables: ['A'],
        cache: {},
      },
    )

  async function changed(user: User, changedAt: number): Promise<void> {
    const ref = user.script('a', 'echo a')
    user.register({ one: { A: ref } })
    const store = await user.store()
    const key = `${JSON.stringify(ref)} in ${user.home}/.config/mcp`
    const value = { value: new Secret('v'), fetchedAt: Date.now(), changedAt }
    await store.write(new Map([[key, value]]), store.readMeta(), { isOurs: () => true })
  }

  test('that were started with an older value are named', async () => {
    const user = new User()
    const now = Date.now()
    await changed(user, now)
    launched(user, now - 1)
    expect(await status(user.world, [], {})).toBe(1)
    expect(user.said()).toContain(`\n    ! restart to use the new value: pid ${process.pid}\n`)
  })

  test.each([
    ['that were started since are fine', 0, undefined],
    ['that have ended are nobody', -1, 1],
  ])('%s', async (_, since, start) => {
    const user = new User()
    const now = Date.now()
    await changed(user, now)
    launched(user, now + since, start)
    expect(await status(user.world, [], {})).toBe(0)
  })

  test('that hold the value are fine, whenever they were started, and those that hold an older one are not', async () => {
    const user = new User()
    const now = Date.now()
    await changed(user, now)
    const text = JSON.stringify(user.script('a', 'echo a'))
    const start = processStart(user.world, process.pid) as number
    const launch = (since: number, changedAt: number) =>
      audit(
        { ...user.world, now: () => since },
        {
          ...{
            event: 'launch',
            server: 'one',
            start,
            boot: bootId(user.world),
            client: { pid: 1 },
            variables: ['A'],
            cache: {},
          },
          held: { [text]: { changedAt } },
        },
      )
    launch(now - 10, now)
    expect(await status(user.world, [], {})).toBe(0)
    // Written down after a renewal behind the launch, whose value it did not get.
    launch(now + 10, now - 1)
    expect(await status(user.world, [], {})).toBe(1)
  })

  test('can’t be told where there is no /proc, and that is said', async () => {
    const user = new User()
    await changed(user, Date.now())
    const said: string[] = []
    const terminal = { ...user.world.terminal, writeError: (text: string) => void said.push(text) }
    await status({ ...user.world, platform: 'darwin', terminal }, [], {})
    expect(said).toEqual(["mcp-launch: note: running servers can't be told from others here: darwin has no /proc\n"])
  })

  test('are found in old logs too, between lines of any kind', async () => {
    const user = new User()
    const now = Date.now()
    await changed(user, now)
    launched(user, now - 1)
    const log = join(user.home, '.local/state/mcp-launch/audit.jsonl')
    user.world.files.rename(log, `${log}.3`)
    writeFileSync(log, '{"event":"launch"\n\0\n"event":"launch"\n{"event":"launch","pid":"x"}\nnull\n')
    expect(await status(user.world, [], { json: true })).toBe(1)
    expect(JSON.parse(user.said())).toMatchObject({ secrets: [{ superseded: [process.pid] }] })
  })
})

test('control characters of a message or a reference are not printed', () => {
  const row = { server: 'a', name: 'A', state: 'missing', superseded: [] } as const
  const text = statusText([{ ...row, from: 'x\n\u001b[31m', error: 'y\r\n\u0007z' }], 0)
  expect(text).toBe('a  A  x [31m  missing\n    ! y z\n')
})
