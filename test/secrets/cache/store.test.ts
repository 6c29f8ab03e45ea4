import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { Encrypter, identityToRecipient } from 'age-encryption'
import { describe, expect, test } from 'vitest'
import { LaunchError } from '../../../src/errors.ts'
import { readIdentity } from '../../../src/secrets/cache/identity.ts'
import type { Meta } from '../../../src/secrets/cache/meta.ts'
import { places } from '../../../src/secrets/cache/places.ts'
import { openStore, type Store } from '../../../src/secrets/cache/store.ts'
import type { Values } from '../../../src/secrets/cache/values.ts'
import { privateKey } from '../../../src/secrets/cache/x25519.ts'
import { Secret } from '../../../src/secrets/secret.ts'
import type { World } from '../../../src/world.ts'
import { ageIdentity } from './bech32.ts'
import { errno, filesWith, testHome } from './home.ts'

const EMPTY: Meta = { format: 1, writtenAt: 0, refs: {}, sources: {} }
/** Nobody else writes there. */
const OURS = { isOurs: () => true }
const NOW = 1_800_000_000_000

async function openedStore(world: World, damage: string[] = []): Promise<Store> {
  const store = await openStore(world, (_, why) => damage.push(why))
  if (store instanceof LaunchError) throw store
  return store
}

function valuesOf(entries: Record<string, string>): Values {
  const dates = { fetchedAt: NOW, changedAt: NOW - 1 }
  return new Map(Object.entries(entries).map(([key, value]) => [key, { value: new Secret(value), ...dates }]))
}

const plain = (values: Values) => Object.fromEntries([...values].map(([key, { value }]) => [key, value.reveal()]))

/** A store that holds one value. */
async function filled(entries: Record<string, string> = { key: 'canary' }) {
  const self = testHome()
  const damage: string[] = []
  const store = await openedStore(self.world, damage)
  await store.write(valuesOf(entries), EMPTY, OURS)
  return Object.assign(self, { store, damage, file: store.places.values, directory: store.places.directory })
}

describe('values', () => {
  test('are read as they were written, with their times', async () => {
    const entries = {
      plain: 'value',
      lines: 'a\nb\r\n',
      unicode: 'ключ 🔑 \u2028',
      empty: '',
      large: 'x'.repeat(200_000),
      __proto: 'a',
      constructor: 'b',
    }
    const { world, store } = await filled(entries)
    const other = await (await openedStore(world)).readValues()
    expect(plain(other)).toEqual(entries)
    expect(other.get('plain')).toMatchObject({ fetchedAt: NOW, changedAt: NOW - 1 })
    expect(plain(await store.readValues())).toEqual(entries)
  })

  test('named like the parts of objects are values', async () => {
    const { store } = await filled()
    await store.write(new Map([['__proto__', { value: new Secret('v'), fetchedAt: 1, changedAt: 1 }]]), EMPTY, OURS)
    expect((await store.readValues()).get('__proto__')?.value.reveal()).toBe('v')
  })

  test('are in files of 0600 in a directory of 0700, and nowhere in clear', async () => {
    const { home, directory } = await filled()
    expect(readdirSync(directory).sort()).toEqual(['secrets.enc', 'secrets.meta'])
    expect(statSync(directory).mode & 0o777).toBe(0o700)
    for (const name of readdirSync(directory)) expect(statSync(join(directory, name)).mode & 0o777).toBe(0o600)
    expect(execFileSync('sh', ['-c', `grep -rl canary ${home} || true`]).toString()).toBe('')
  })

  const noAge = (() => {
    try {
      execFileSync('age', ['--version'])
      return undefined
    } catch {
      return 'the age program is not installed'
    }
  })()

  test.skipIf(noAge)('can be read by the stock age program with the right identity', async () => {
    const { home, world, file } = await filled()
    const scalar = (await readIdentity(world, places(world))) as Uint8Array
    const write = (name: string, identity: string) => {
      writeFileSync(join(home, name), `${identity}\n`, { mode: 0o600 })
      return join(home, name)
    }
    const text = execFileSync('age', ['-d', '-i', write('right', ageIdentity(scalar)), file]).toString()
    expect(JSON.parse(text)).toEqual({
      format: 1,
      writtenAt: expect.any(Number),
      entries: { key: { value: 'canary', fetchedAt: NOW, changedAt: NOW - 1 } },
    })
    const wrong = write('wrong', ageIdentity(Uint8Array.from(scalar, (byte) => byte ^ 8)))
    expect(() => execFileSync('age', ['-d', '-i', wrong, file], { stdio: 'pipe' })).toThrow('no identity matched')
  })
})

/** The content under the store's own key, whatever it is. */
async function encryptedContent(world: World, text: string): Promise<Uint8Array> {
  const encrypter = new Encrypter()
  const identity = (await readIdentity(world, places(world))) as Uint8Array
  encrypter.addRecipient(await identityToRecipient(await privateKey(identity)))
  return encrypter.encrypt(text)
}

/** Another process that empties the cache. */
const WRITES = `
  const load = (file) => import(${JSON.stringify(`${join(import.meta.dirname, '..', '..', '..', 'src')}/`)} + file)
  const { realWorld } = await load('real-world.ts')
  const { openStore } = await load('secrets/cache/store.ts')
  const store = await openStore(realWorld(), () => {})
  await store.write(new Map(), store.readMeta(), { isOurs: () => true })
`

function replaced(file: string, make: () => void): void {
  rmSync(file, { recursive: true })
  make()
}

describe('damage', () => {
  type Filled = Awaited<ReturnType<typeof filled>>
  const DAMAGES: [string, (home: Filled) => void | Promise<void>, RegExp][] = [
    ['cut off', ({ file }) => writeFileSync(file, readFileSync(file).subarray(0, -1)), /not authentic/],
    ['empty', ({ file }) => writeFileSync(file, ''), /no age file/],
    ['no age file', ({ file }) => writeFileSync(file, 'garbage'), /no age file/],
    [
      'with a flipped bit',
      ({ file }) => {
        const bytes = readFileSync(file)
        bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1
        writeFileSync(file, bytes)
      },
      /not authentic/,
    ],
    [
      'of a newer format',
      async ({ world, file }) => writeFileSync(file, await encryptedContent(world, '{"format":2,"entries":{}}')),
      /^it has format 2$/,
    ],
    ['no JSON', async ({ world, file }) => writeFileSync(file, await encryptedContent(world, 'no')), /malformed/],
    ['JSON null', async ({ world, file }) => writeFileSync(file, await encryptedContent(world, 'null')), /malformed/],
    [
      'without entries',
      async ({ world, file }) => writeFileSync(file, await encryptedContent(world, '{"format":1}')),
      /malformed/,
    ],
    [
      'a symbolic link',
      ({ home, file }) => {
        renameSync(file, join(home, 'elsewhere'))
        symlinkSync(join(home, 'elsewhere'), file)
      },
      /no regular file/,
    ],
    ['a link to nowhere', ({ file }) => replaced(file, () => symlinkSync('/nowhere', file)), /no regular file/],
    [
      'a directory',
      ({ file }) => replaced(file, () => mkdirSync(join(file, 'sub'), { recursive: true })),
      /no regular file/,
    ],
    ['readable by others', ({ file }) => chmodSync(file, 0o644), /not this user's alone/],
    ['under another key', ({ world }) => rmSync(places(world).machineKey), /machine key does not open it/],
  ]

  test.each(DAMAGES)('%s: nothing is read, it is set aside, and told once', async (_, damage, why) => {
    const home = await filled()
    await damage(home)
    const store = await openedStore(home.world, home.damage)
    expect(plain(await store.readValues())).toEqual({})
    expect(plain(await store.readValues())).toEqual({})
    expect(home.damage).toEqual([])
    await store.write(valuesOf({ new: 'value' }), EMPTY, OURS)
    expect(home.damage).toEqual([expect.stringMatching(why)])
    expect(plain(await store.readValues())).toEqual({ new: 'value' })
    expect(readdirSync(home.directory).sort()).toEqual(['secrets.enc', 'secrets.enc.damaged', 'secrets.meta'])
  })

  test.each(DAMAGES)('%s, twice in a row, is set aside twice', async (_, damage) => {
    const home = await filled()
    for (const round of [1, 2]) {
      await damage(home)
      const store = await openedStore(home.world, home.damage)
      await store.write(valuesOf({ new: 'value' }), EMPTY, OURS)
      expect(home.damage).toHaveLength(round)
    }
  })

  test('what a link led to is left as it is', async () => {
    const { home, world, file, store } = await filled()
    renameSync(file, join(home, 'elsewhere'))
    const before = readFileSync(join(home, 'elsewhere'))
    symlinkSync(join(home, 'elsewhere'), file)
    await store.write(valuesOf({ new: 'value' }), EMPTY, OURS)
    expect(readFileSync(join(home, 'elsewhere'))).toEqual(before)
    expect(plain(await (await openedStore(world)).readValues())).toEqual({ new: 'value' })
  })

  test.skipIf(process.getuid?.() !== 0 && 'only root can give a file away')("somebody else's file", async () => {
    const { file, store, damage } = await filled()
    chownSync(file, 12_345, 12_345)
    expect(plain(await store.readValues())).toEqual({})
    await store.write(valuesOf({ new: 'value' }), EMPTY, OURS)
    expect(damage).toEqual(["it is not this user's alone"])
    expect(statSync(file).uid).toBe(process.getuid?.())
  })

  test('cut off at every length, or with a bit flipped in any byte, it is never a value and never a throw', async () => {
    const { file, store } = await filled()
    const whole = readFileSync(file)
    for (let index = 0; index < whole.length; index += 1) {
      writeFileSync(file, whole.subarray(0, index))
      expect(plain(await store.readValues())).toEqual({})
      const flipped = Buffer.from(whole)
      flipped[index] = (flipped[index] as number) ^ (1 << (index & 7))
      writeFileSync(file, flipped)
      expect(plain(await store.readValues())).toEqual({})
    }
  })

  test('an older file that was put back is set aside and told', async () => {
    const { file, store, damage } = await filled()
    const old = readFileSync(file)
    await store.write(valuesOf({ new: 'value' }), EMPTY, OURS)
    writeFileSync(file, old)
    expect(plain(await store.readValues())).toEqual({})
    await store.write(valuesOf({ newer: 'value' }), EMPTY, OURS)
    expect(damage).toEqual(['it is not the one that was written last'])
    expect(plain(await store.readValues())).toEqual({ newer: 'value' })
  })

  test('values whose writer was killed before it wrote the states are good, also when the clock stands or goes back', async () => {
    const self = await filled()
    const { store, world, damage } = self
    const writeWhole: World['files']['writeWhole'] = (path, content) => {
      if (path === store.places.meta) throw errno('EIO')
      world.files.writeWhole(path, content)
    }
    const killed = await openedStore({ ...world, files: filesWith({ writeWhole }) })
    for (const shift of [0, 0, -3_600_000, 3_600_000]) {
      self.clock += shift
      await expect(killed.write(valuesOf({ new: String(shift) }), EMPTY, OURS)).rejects.toThrow('EIO')
      expect(plain(await store.readValues())).toEqual({ new: String(shift) })
      await store.write(valuesOf({ next: String(shift) }), EMPTY, OURS)
      expect(plain(await store.readValues())).toEqual({ next: String(shift) })
    }
    expect(damage).toEqual([])
  })

  test('a reader sees the values of a writer that is between its two files', async () => {
    const { store, world } = await filled()
    let wasWritten = false
    const read: World['files']['read'] = (path) => {
      if (path === store.places.values && !wasWritten) {
        wasWritten = true
        execFileSync(process.execPath, ['--input-type=module', '-e', WRITES], { env: { HOME: world.env['HOME'] } })
      }
      return world.files.read(path)
    }
    const reader = await openedStore({ ...world, files: filesWith({ read }) })
    expect(plain(await reader.readValues())).toEqual({})
    expect(wasWritten).toBe(true)
    expect(plain(await store.readValues())).toEqual({})
  })

  test('a huge file is not read at all', async () => {
    const { world, file } = await filled()
    const lstat: World['files']['lstat'] = (path) => {
      const stat = world.files.lstat(path)
      return path === file && stat !== undefined ? { ...stat, size: 65 * 1024 * 1024 } : stat
    }
    expect(plain(await (await openedStore({ ...world, files: filesWith({ lstat }) })).readValues())).toEqual({})
  })

  test.each([
    ['vanishes between the look and the reading', 'ENOENT'],
    ['may not be read', 'EACCES'],
    ['is on a bad disk', 'EIO'],
  ])('a file that %s is no value and no defect', async (_, code) => {
    const { world, file } = await filled()
    const read: World['files']['read'] = (path) => {
      if (path === file) throw errno(code)
      return world.files.read(path)
    }
    const store = await openedStore({ ...world, files: filesWith({ read }) })
    expect(plain(await store.readValues())).toEqual({})
  })
})

describe('the states beside the values', () => {
  const META: Meta = { ...EMPTY, refs: { k: { text: 'k', kind: 'op', attemptedAt: Date.now() } } }

  test('are read as they were written', async () => {
    const { world, store } = await filled()
    await store.write(valuesOf({}), META, OURS)
    expect((await openedStore(world)).readMeta()).toMatchObject({ refs: META.refs, writtenAt: expect.any(Number) })
    expect(store.readMeta().checksum).toBe(world.sha256(readFileSync(store.places.values)))
  })

  test.each([
    ['cut off', '{"format":1,'],
    ['empty', ''],
    ['null', 'null'],
    ['a list', '[]'],
    ['of a newer format', '{"format":2,"refs":{},"sources":{}}'],
    ['with other types', '{"format":1,"refs":[],"sources":5}'],
  ])('that are %s are nothing, and are written anew', async (_, text) => {
    const { store } = await filled()
    writeFileSync(store.places.meta, text)
    expect(store.readMeta()).toEqual(EMPTY)
    await store.write(valuesOf({}), META, OURS)
    expect(store.readMeta().refs).toEqual(META.refs)
  })

  test('keep what is well-formed of them', async () => {
    const { store } = await filled()
    const good = { text: 'k', kind: 'op', attemptedAt: 5 }
    const block = { refusal: 'unavailable', message: 'm', since: 1, at: 1, until: 2, failures: 1 }
    const bad = [null, 5, 'x', [], {}, { ...good, attemptedAt: 'x' }, { ...good, error: null }, { ...good, error: {} }]
    const refs = { good, blocked: { ...good, error: block }, ...Object.fromEntries(bad.entries()) }
    const sources = { op: block, file: null, age: { ...block, message: 5 }, sops: { ...block, until: null } }
    writeFileSync(store.places.meta, JSON.stringify({ format: 1, writtenAt: 1, refs, sources }))
    expect(store.readMeta()).toEqual({
      format: 1,
      writtenAt: 1,
      refs: { good, blocked: { ...good, error: block } },
      sources: { op: block },
    })
  })

  test('with one bit flipped in any byte are states or nothing, and never a throw', async () => {
    const { store } = await filled()
    await store.write(valuesOf({ key: 'canary' }), META, OURS)
    const whole = readFileSync(store.places.meta)
    for (let bit = 0; bit < whole.length * 8; bit += 1) {
      const flipped = Buffer.from(whole)
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
      writeFileSync(store.places.meta, flipped)
      expect(store.readMeta().format).toBe(1)
      expect((await store.readValues()).size).toBe(1)
    }
  })

  test('that are a directory or a link are replaced', async () => {
    const { home, store } = await filled()
    writeFileSync(join(home, 'target'), 'x')
    const makes = [
      (path: string) => void mkdirSync(join(path, 'sub'), { recursive: true }),
      (path: string) => symlinkSync(join(home, 'target'), path),
    ]
    for (const make of makes) {
      rmSync(store.places.meta, { recursive: true })
      make(store.places.meta)
      expect(store.readMeta()).toEqual(EMPTY)
      await store.write(valuesOf({}), META, OURS)
      expect(store.readMeta().refs).toEqual(META.refs)
    }
    expect(readFileSync(join(home, 'target'), 'utf8')).toBe('x')
  })

  test('lost, the values are still there', async () => {
    const { store } = await filled()
    rmSync(store.places.meta)
    expect(plain(await store.readValues())).toEqual({ key: 'canary' })
    expect(store.readMeta()).toEqual(EMPTY)
  })
})

describe('a store that cannot be used', () => {
  test.each([
    ['nowhere', '/proc/nowhere'],
    ['in a file', '/etc/passwd'],
  ])('%s is told and not thrown', async (_, directory) => {
    const { home, world } = testHome()
    for (const name of ['XDG_CACHE_HOME', 'XDG_STATE_HOME']) {
      const error = await openStore({ ...world, env: { HOME: home, [name]: directory } }, () => {})
      expect(error).toBeInstanceOf(LaunchError)
      expect((error as LaunchError).message).toMatch(`can't use the cache "${directory}`)
      expect((error as LaunchError).hint).toContain('asked for at every start')
    }
  })

  test('a relative XDG directory is none', async () => {
    const { home, world } = testHome()
    const env = { HOME: home, XDG_CACHE_HOME: 'relative', XDG_STATE_HOME: '../up' }
    const store = await openedStore({ ...world, env })
    expect(store.places.directory).toBe(join(home, '.cache/mcp-launch'))
    expect(store.places.machineKey).toBe(join(home, '.local/state/mcp-launch/machine.key'))
  })

  test.each([
    [0o777, 'others can write it (mode 0777)'],
    [0o720, 'others can write it (mode 0720)'],
  ])('others can write (%o): refused with the chmod', async (mode, why) => {
    const { world, directory } = await filled()
    chmodSync(directory, mode)
    const error = (await openStore(world, () => {})) as LaunchError
    expect(error.message).toBe(`refusing the cache directory "${directory}": ${why}`)
    execFileSync('sh', ['-c', error.hint as string])
    expect(await openStore(world, () => {})).not.toBeInstanceOf(LaunchError)
  })

  test.each([
    ['ENOSPC', "can't use the cache: no space left on the device"],
    ['EROFS', "can't use the cache: read-only file system"],
    ['EDQUOT', "can't use the cache: EDQUOT"],
  ])('%s while writing is said as it is, and the old values stay', async (code, message) => {
    const { world, file } = await filled()
    const writeWhole = () => {
      throw errno(code)
    }
    const before = readFileSync(file)
    const store = await openedStore({ ...world, files: filesWith({ writeWhole }) })
    await expect(store.write(valuesOf({ new: 'value' }), EMPTY, OURS)).rejects.toThrow(message)
    expect(readFileSync(file)).toEqual(before)
    expect(existsSync(`${file}.damaged`)).toBe(false)
  })
})

test('a writer that has lost its lock meanwhile writes nothing', async () => {
  const { file, store } = await filled()
  const before = readFileSync(file)
  await expect(store.write(valuesOf({ late: 'value' }), EMPTY, { isOurs: () => false })).rejects.toMatchObject({
    message: "can't use the cache: it was written meanwhile",
    exitCode: 75,
  })
  expect(readFileSync(file)).toEqual(before)
})

test('what killed writers left is gone after the next write', async () => {
  const { directory, file, store } = await filled()
  for (let pid = 0; pid < 50; pid += 1) writeFileSync(`${file}.${pid}.tmp`, 'half')
  await store.write(valuesOf({}), EMPTY, OURS)
  expect(readdirSync(directory).sort()).toEqual(['secrets.enc', 'secrets.meta'])
})
