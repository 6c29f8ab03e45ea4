import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { LaunchError } from '../../../src/errors.ts'
import { openIdentity, readIdentity } from '../../../src/secrets/cache/identity.ts'
import { places } from '../../../src/secrets/cache/places.ts'
import { openStore } from '../../../src/secrets/cache/store.ts'
import { x25519Key } from '../../../src/secrets/cache/x25519.ts'
import type { Finished, World } from '../../../src/world.ts'
import { errno, filesWith, testHome } from './home.ts'
import { parallel } from './parallel.ts'

const KEY = Buffer.alloc(32, 7)

function withKey(world: World, key: Uint8Array = KEY, mode = 0o600): string {
  const { machineKey } = places(world)
  mkdirSync(dirname(machineKey), { recursive: true })
  writeFileSync(machineKey, key)
  chmodSync(machineKey, mode)
  return machineKey
}

/** A world with this machine id, and no other. */
function onMachine(world: World, ids: Record<string, string>): World {
  const read: World['files']['read'] = (path) => {
    if (!path.endsWith('/machine-id')) return world.files.read(path)
    const id = ids[path]
    if (id === undefined) throw errno('ENOENT')
    return Buffer.from(id)
  }
  return { ...world, files: { ...world.files, read } }
}

const identityOf = async (world: World) => Buffer.from((await readIdentity(world, places(world))) ?? []).toString('hex')

describe('the identity', () => {
  test('is the same for the same key and machine, and another for any other', async () => {
    const { world } = testHome()
    const one = onMachine(world, { '/etc/machine-id': 'aaaa\n' })
    withKey(world)
    const first = await identityOf(one)
    expect(first).toMatch(/^[0-9a-f]{64}$/)
    expect(await identityOf(one)).toBe(first)
    expect(await identityOf(onMachine(world, { '/etc/machine-id': 'aaaa' }))).toBe(first)
    expect(await identityOf(onMachine(world, { '/etc/machine-id': 'aaab\n' }))).not.toBe(first)
    expect(await identityOf(onMachine(world, { '/var/lib/dbus/machine-id': 'aaaa\n' }))).toBe(first)
    expect(await identityOf(onMachine(world, {}))).not.toBe(first)
    withKey(world, Buffer.alloc(32, 8))
    expect(await identityOf(one)).not.toBe(first)
  })

  test('is HKDF of RFC 5869 over the key, salted by the machine id', async () => {
    const { world } = testHome()
    withKey(world)
    const { hkdfSync } = await import('node:crypto')
    const expected = Buffer.from(hkdfSync('sha256', KEY, 'aaaa', 'mcp-launch cache identity v1', 32)).toString('hex')
    expect(await identityOf(onMachine(world, { '/etc/machine-id': 'aaaa\n' }))).toBe(expected)
  })

  test("has the hardware UUID in the machine id's place on macOS", async () => {
    const { world } = testHome()
    withKey(world)
    const mac = (uuid: string): World => ({
      ...world,
      platform: 'darwin',
      processes: {
        ...world.processes,
        run: ({ file, args }) => {
          expect([file, ...args]).toEqual(['/usr/sbin/sysctl', '-n', 'kern.uuid'])
          return Promise.resolve({ stdout: Buffer.from(`${uuid}\n`), stderr: '', end: { kind: 'exit', code: 0 } })
        },
      },
    })
    const uuids = ['564D5A5C-0000-4B5A-9C5E-123456789ABC', '564D5A5C-0000-4B5A-9C5E-123456789ABD'] as const
    expect(await identityOf(mac(uuids[0]))).not.toBe(await identityOf(mac(uuids[1])))
    expect(await identityOf(mac(uuids[0]))).toBe(await identityOf(onMachine(world, { '/etc/machine-id': uuids[0] })))
  })

  test('is an X25519 key', async () => {
    const { world } = testHome()
    const [a, b] = [await x25519Key(await openIdentity(world, places(world), () => {})), await x25519Key(KEY)]
    expect(await a.sharedSecret(b.publicKey)).toEqual(await b.sharedSecret(a.publicKey))
    await expect(a.sharedSecret(new Uint8Array(32))).rejects.toThrow()
  })
})

describe('the machine key', () => {
  test('is made if there is none: 32 bytes, 0600, in a directory of 0700', async () => {
    const { world } = testHome()
    const { machineKey } = places(world)
    expect(await readIdentity(world, places(world))).toBeUndefined()
    expect(existsSync(dirname(machineKey))).toBe(false)
    const identity = await openIdentity(world, places(world), () => {})
    expect(await openIdentity(world, places(world), () => {})).toEqual(identity)
    expect(await readIdentity(world, places(world))).toEqual(identity)
    expect(statSync(machineKey)).toMatchObject({ size: 32, mode: 0o100600 })
    expect(statSync(dirname(machineKey)).mode & 0o777).toBe(0o700)
    expect(readdirSync(dirname(machineKey))).toEqual(['machine.key'])
  })

  test('is another one after it was removed', async () => {
    const { world } = testHome()
    const identity = await openIdentity(world, places(world), () => {})
    rmSync(places(world).machineKey)
    expect(await openIdentity(world, places(world), () => {})).not.toEqual(identity)
  })

  test('is one for 20 processes that make it at once', async () => {
    const { home, world } = testHome()
    const outputs = await parallel(
      20,
      home,
      `const { openIdentity } = await load('secrets/cache/identity.ts')
       const { places } = await load('secrets/cache/places.ts')
       console.log(Buffer.from(await openIdentity(world, places(world), () => {})).toString('hex'))`,
    )
    expect(new Set(outputs)).toEqual(new Set([await identityOf(world)]))
    expect(readdirSync(dirname(places(world).machineKey))).toEqual(['machine.key'])
  })

  test.each<[string, (path: string) => void]>([
    ['too short', (path) => writeFileSync(path, KEY.subarray(1), { mode: 0o600 })],
    ['too long', (path) => writeFileSync(path, Buffer.alloc(33), { mode: 0o600 })],
    ['empty, as a power failure may leave it', (path) => writeFileSync(path, '', { mode: 0o600 })],
    ['a directory', (path) => mkdirSync(join(path, 'sub'), { recursive: true })],
    ['a pipe', (path) => execFileSync('mkfifo', [path])],
  ])('that is %s is set aside, told of once, and made anew', async (_, make) => {
    const { world } = testHome()
    const { machineKey: path } = places(world)
    for (const _round of [1, 2]) {
      mkdirSync(dirname(path), { recursive: true })
      rmSync(path, { recursive: true, force: true })
      make(path)
      const told: string[][] = []
      const onDamage = (...damage: string[]) => void told.push(damage)
      const identity = await openIdentity(world, places(world), onDamage)
      expect(await openIdentity(world, places(world), onDamage)).toEqual(identity)
      expect(told).toEqual([[path, 'it is no key of 32 bytes']])
      expect(readdirSync(dirname(path)).sort()).toEqual(['machine.key', 'machine.key.damaged'])
    }
  })

  test('that is damaged is set aside by one of 20 processes, and all use the new one', async () => {
    const { home, world } = testHome()
    const path = withKey(world, Buffer.alloc(7))
    const outputs = await parallel(
      20,
      home,
      `const { openIdentity } = await load('secrets/cache/identity.ts')
       const { places } = await load('secrets/cache/places.ts')
       console.log(Buffer.from(await openIdentity(world, places(world), () => console.log('damage'))).toString('hex'))`,
    )
    const words = outputs.flatMap((text) => text.split('\n'))
    expect(words.filter((word) => word === 'damage')).toHaveLength(1)
    expect(new Set(words)).toEqual(new Set(['damage', await identityOf(world)]))
    expect(readFileSync(`${path}.damaged`)).toEqual(Buffer.alloc(7))
  })

  test.each([
    ['readable by all', 0o644, 'others can read it (mode 0644)'],
    ['readable by the group', 0o640, 'others can read it (mode 0640)'],
  ])('is refused if it is %s, with what mends it', async (_, mode, why) => {
    const { world } = testHome()
    const path = withKey(world, KEY, mode)
    const error = (await openStore(world, () => {})) as LaunchError
    expect(error.message).toBe(`refusing the machine key "${path}": ${why}`)
    expect(error.hint).toBe(`chmod 600 ${path}`)
    expect(readFileSync(path)).toEqual(KEY)
    execFileSync('sh', ['-c', error.hint as string])
    expect(await openStore(world, () => {})).not.toBeInstanceOf(LaunchError)
  })

  test('that is a link to nowhere is refused, with what mends it', async () => {
    const { world } = testHome()
    const path = withKey(world)
    rmSync(path)
    symlinkSync('/nowhere/at/all', path)
    const error = (await openStore(world, () => {})) as LaunchError
    expect(error.message).toBe(`refusing the machine key "${path}": it is a link to nowhere, or no key`)
    execFileSync('sh', ['-c', (error.hint as string).replace(/^.*: /, '')])
    expect(await openStore(world, () => {})).not.toBeInstanceOf(LaunchError)
  })

  test.each<[string, Finished['end'], string]>([
    ['fails', { kind: 'exit', code: 1 }, ''],
    ['takes too long', { kind: 'timeout' }, ''],
    ['says something else', { kind: 'exit', code: 0 }, 'unknown oid'],
  ])('of a Mac whose sysctl %s makes the cache unusable, and damages nothing', async (_, end, text) => {
    const { world } = testHome()
    withKey(world)
    const run = () => Promise.resolve({ stdout: Buffer.from(text), stderr: '', end })
    const mac: World = { ...world, platform: 'darwin', processes: { ...world.processes, run } }
    expect(await openStore(mac, () => {})).toMatchObject({
      message: "can't use the cache: /usr/sbin/sysctl -n kern.uuid doesn't tell this machine's id",
    })
  })

  test.each([
    ['is unreadable', 'EACCES', "can't use the cache: permission denied"],
    ['is on a bad disk', 'EIO', "can't use the cache: EIO"],
  ])('that %s makes the cache unusable and nothing worse', async (_, code, message) => {
    const { world } = testHome()
    const path = withKey(world)
    const read: World['files']['read'] = (file) => {
      if (file === path) throw errno(code)
      return world.files.read(file)
    }
    const error = await openStore({ ...world, files: filesWith({ read }) }, () => {})
    expect(error).toBeInstanceOf(LaunchError)
    expect((error as LaunchError).message).toBe(message)
  })

  test('of somebody else is refused', async () => {
    const { world } = testHome()
    const path = withKey(world)
    const stat: World['files']['stat'] = (file) => {
      const found = world.files.stat(file)
      return file === path && found !== undefined ? { ...found, uid: world.uid + 1 } : found
    }
    const error = await openStore({ ...world, files: filesWith({ stat }) }, () => {})
    expect((error as LaunchError).message).toBe(
      `refusing the machine key "${path}": it belongs to user ${world.uid + 1}`,
    )
  })
})
