import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { adoptLock, isLocked, type Lock, sweep, tryLock, tryLockForAnother, waitForLock } from '../src/lock.ts'
import { processStart } from '../src/process-start.ts'
import { errno, filesWith, testHome } from './secrets/cache/home.ts'
import { output, parallel, startProcess } from './secrets/cache/parallel.ts'

function lockHome() {
  const self = testHome()
  const directory = join(self.home, 'cache')
  mkdirSync(directory)
  const path = join(directory, 'secrets.lock')
  /** All that is in the lock's directory. */
  const names = () => readdirSync(directory)
  return Object.assign(self, { path, names, start: processStart(self.world, process.pid) as number })
}

const NONCE = '0123456789abcdef01234567'
const LIMIT_MS = 60_000
/** Of a lock that is held for long. */
const TIMES = { since: 0, until: Number.MAX_SAFE_INTEGER }
const TAKE = `
  const { tryLock } = await load('lock.ts')
  const path = words[1]
`

describe('a lock', () => {
  test('is one process at a time', () => {
    const { world, path, names } = lockHome()
    const lock = tryLock(world, path) as Lock
    expect(lock).toBeDefined()
    expect(isLocked(world, path)).toBe(true)
    expect(tryLock(world, path)).toBeUndefined()
    expect(tryLockForAnother(world, path)).toBeUndefined()
    lock.release()
    expect(names()).toEqual([])
    expect(isLocked(world, path)).toBe(false)
    tryLock(world, path)?.release()
    expect(names()).toEqual([])
  })

  test('released twice, or after it was lost, is not released for another', () => {
    const { world, path } = lockHome()
    const first = tryLock(world, path) as Lock
    first.release()
    const second = tryLock(world, path) as Lock
    first.release()
    expect(isLocked(world, path)).toBe(true)
    second.release()
    second.release()
    expect(isLocked(world, path)).toBe(false)
  })

  test('is waited for until the deadline', async () => {
    const { world, path } = lockHome()
    const held = tryLock(world, path) as Lock
    const waiting = waitForLock({ ...world, now: () => Date.now() }, path, Date.now() + 30_000)
    held.release()
    expect(await waiting).toBeDefined()
    expect(await waitForLock({ ...world, now: () => Date.now() }, path, Date.now() + 60)).toBeUndefined()
  })

  test.each([
    ['has ended', (start: number) => ({ pid: 4_194_304, start })],
    ['had the pid that this process has now', (start: number) => ({ pid: process.pid, start: start - 1 })],
    ['is a kernel thread or nobody', () => ({ pid: 0, start: 0 })],
    ['is no pid', () => ({ pid: -1, start: 0 })],
  ])('is taken over from a holder that %s', (_, holder) => {
    const { world, path, names, start } = lockHome()
    writeFileSync(path, JSON.stringify({ ...holder(start), nonce: NONCE, ...TIMES }))
    expect(isLocked(world, path)).toBe(false)
    const lock = tryLock(world, path)
    expect(lock).toBeDefined()
    expect(isLocked(world, path)).toBe(true)
    lock?.release()
    expect(names()).toEqual([])
  })

  test.each([
    '',
    '{',
    'null',
    '5',
    '[]',
    '"text"',
    '{}',
    '{"pid":1}',
    `{"nonce":"${NONCE}"}`,
    `{"pid":"x","start":null,"nonce":"${NONCE}"}`,
    '{"pid":1,"start":1,"nonce":"../../../x"}',
    '\0'.repeat(100),
    'x'.repeat(100_000),
  ])('whose file holds %j is nobody’s', (text) => {
    const { world, path, names } = lockHome()
    writeFileSync(path, text)
    expect(isLocked(world, path)).toBe(false)
    tryLock(world, path)?.release()
    expect(names()).toEqual([])
  })

  test.each([
    ['a directory', (path: string) => void mkdirSync(join(path, 'sub'), { recursive: true })],
    ['a link to nowhere', (path: string) => symlinkSync('/nowhere/at/all', path)],
    ['a link to a file', (path: string) => symlinkSync('/etc/passwd', path)],
  ])('that is %s is nobody’s, and where it leads is left alone', (_, make) => {
    const { world, path, names } = lockHome()
    make(path)
    const lock = tryLock(world, path)
    expect(lock).toBeDefined()
    lock?.release()
    expect(names()).toEqual([])
    expect(readFileSync('/etc/passwd').length).toBeGreaterThan(0)
  })

  test('in a directory that cannot be written is an exception, not a lock', () => {
    const { world } = lockHome()
    expect(() => tryLock(world, '/proc/nowhere/secrets.lock')).toThrow()
    const createWhole = () => {
      throw errno('EPERM')
    }
    const { path } = lockHome()
    expect(() => tryLock({ ...world, files: filesWith({ createWhole }) }, path)).toThrow('EPERM')
  })

  test('is released on a full disk too', () => {
    const { world, path } = lockHome()
    const full = () => {
      throw errno('ENOSPC')
    }
    const files = { ...world.files }
    const lock = tryLock({ ...world, files }, path)
    Object.assign(files, { writeWhole: full, create: full, createWhole: full, appendLine: full })
    lock?.release()
    expect(isLocked(world, path)).toBe(false)
  })
})

test('a lock that is taken between two looks of another process is not taken for a malformed one', () => {
  const { world, path } = lockHome()
  const holder = tryLock(world, path) as Lock
  // It was not there when it was read, and it is when it is looked for.
  const read = (file: string) => {
    if (file === path) throw errno('ENOENT')
    return world.files.read(file)
  }
  expect(tryLock({ ...world, files: filesWith({ read }) }, path)).toBeUndefined()
  expect(isLocked(world, path)).toBe(true)
  holder.release()
})

describe('a lock for another process', () => {
  test('is adopted by it, once, and then is its own', () => {
    const { world, path } = lockHome()
    const taken = tryLockForAnother(world, path) as Lock
    expect(isLocked(world, path)).toBe(true)
    const adopted = adoptLock(world, path, taken.nonce, LIMIT_MS) as Lock
    expect(adopted).toBeDefined()
    expect(adoptLock(world, path, taken.nonce, LIMIT_MS)).toBeUndefined()
    taken.release()
    expect(isLocked(world, path)).toBe(true)
    adopted.release()
    expect(isLocked(world, path)).toBe(false)
    expect(adoptLock(world, path, taken.nonce, LIMIT_MS)).toBeUndefined()
  })

  test('is adopted from a taker that has ended', async () => {
    const { home, world, path } = lockHome()
    const nonce = await output(
      startProcess(
        home,
        `const { tryLockForAnother } = await load('lock.ts')
         console.log(tryLockForAnother(world, words[0]).nonce)`,
        path,
      ),
    )
    expect(nonce).toMatch(/^[0-9a-f]{24}$/)
    expect(isLocked(world, path)).toBe(false)
    expect(adoptLock(world, path, nonce, LIMIT_MS)).toBeDefined()
    expect(isLocked(world, path)).toBe(true)
  })

  test('is nobody’s after a while: its taker may live on as the server', () => {
    const self = lockHome()
    const { world, path } = self
    const taken = tryLockForAnother(world, path) as Lock
    self.clock += 2_999
    expect(tryLock(world, path)).toBeUndefined()
    self.clock += 1
    expect(isLocked(world, path)).toBe(false)
    const next = tryLock(world, path)
    expect(next).toBeDefined()
    expect(adoptLock(world, path, taken.nonce, LIMIT_MS)).toBeUndefined()
    self.clock += 3_000
    expect(isLocked(world, path)).toBe(true)
  })

  test('is nobody’s if the adopter cannot write', () => {
    const { world, path } = lockHome()
    const taken = tryLockForAnother(world, path) as Lock
    const writeWhole = () => {
      throw errno('ENOSPC')
    }
    expect(() => adoptLock({ ...world, files: filesWith({ writeWhole }) }, path, taken.nonce, LIMIT_MS)).toThrow(
      'ENOSPC',
    )
    expect(isLocked(world, path)).toBe(false)
  })

  test('is nobody’s when the clock was set back', () => {
    const self = lockHome()
    tryLockForAnother(self.world, self.path)
    self.clock -= 3_600_000
    expect(isLocked(self.world, self.path)).toBe(false)
    expect(tryLock(self.world, self.path)).toBeDefined()
  })

  test('adopted keeps for as long as the adopter may hold it', () => {
    const self = lockHome()
    const taken = tryLockForAnother(self.world, self.path) as Lock
    adoptLock(self.world, self.path, taken.nonce, LIMIT_MS)
    self.clock += LIMIT_MS - 1
    expect(isLocked(self.world, self.path)).toBe(true)
    self.clock += 1
    expect(isLocked(self.world, self.path)).toBe(false)
  })
})

describe('a lock whose time has passed', () => {
  test('is taken over, and its first holder neither has it nor releases it', () => {
    const self = lockHome()
    const { world, path } = self
    const first = tryLock(world, path, LIMIT_MS) as Lock
    self.clock += LIMIT_MS - 1
    expect(tryLock(world, path)).toBeUndefined()
    expect(first.isOurs()).toBe(true)
    self.clock += 1
    expect(isLocked(world, path)).toBe(false)
    expect(first.isOurs()).toBe(true)
    const second = tryLock(world, path) as Lock
    expect([first.isOurs(), second.isOurs()]).toEqual([false, true])
    first.release()
    expect(isLocked(world, path)).toBe(true)
    second.release()
    expect(second.isOurs()).toBe(false)
  })

  test('is not released: somebody may be about to take it', () => {
    const self = lockHome()
    const lock = tryLock(self.world, self.path, LIMIT_MS)
    self.clock += LIMIT_MS
    lock?.release()
    expect(self.names()).toEqual(['secrets.lock'])
    expect(tryLock(self.world, self.path)).toBeDefined()
  })

  test('is that of a holder from before the clock was set back, by more than a little', () => {
    const self = lockHome()
    tryLock(self.world, self.path, LIMIT_MS)
    self.clock -= 5_000
    expect(isLocked(self.world, self.path)).toBe(true)
    self.clock -= 1
    expect(isLocked(self.world, self.path)).toBe(false)
  })

  test('is that of a dead holder where a pid has no start (macOS)', () => {
    const self = lockHome()
    const mac = { ...self.world, platform: 'darwin' } as const
    tryLock(mac, self.path, LIMIT_MS)
    expect(isLocked(mac, self.path)).toBe(true)
    self.clock += LIMIT_MS
    expect(isLocked(mac, self.path)).toBe(false)
  })
})

describe('real processes', () => {
  /** Everybody who is inside makes a file that must not be there yet. */
  const INSIDE = `
    ${TAKE}
    const fs = await import('node:fs')
    const [, , rounds, ends] = words
    let overlaps = 0
    for (let done = 0; done < Number(rounds); ) {
      const lock = tryLock(world, path)
      if (lock === undefined) continue
      done += 1
      try { fs.writeFileSync(path + '-inside', '', { flag: 'wx' }) } catch { overlaps += 1 }
      if (JSON.parse(fs.readFileSync(path)).nonce !== lock.nonce) overlaps += 1
      fs.rmSync(path + '-inside', { force: true })
      if (ends === 'release') lock.release()
      else world.files.writeWhole(path, JSON.stringify({ pid: 4194304, start: 1, nonce: lock.nonce }))
    }
    console.log(overlaps)
  `

  test.each([
    ['release it', 'release'],
    ['leave it behind as the dead do', 'dead'],
  ])('exclude each other when they %s', async (_, ends) => {
    const { home, path } = lockHome()
    expect(await parallel(8, home, INSIDE, path, '100', ends)).toEqual(Array(8).fill('0'))
  })

  test('a holder that is stopped blocks nobody for ever, and finds out when it goes on', async () => {
    const { home, path, world } = lockHome()
    const child = startProcess(
      home,
      `${TAKE}
       const lock = tryLock(world, path, 300)
       process.once('SIGUSR2', () => {
         console.log(lock.isOurs())
         lock.release()
         clearInterval(alive)
       })
       const alive = setInterval(() => {}, 1000)
       console.log('taken')`,
      'x',
      path,
    )
    const said = output(child)
    await new Promise((resolve) => child.stdout?.once('data', resolve))
    child.kill('SIGSTOP')
    const lock = await waitForLock({ ...world, now: () => Date.now() }, path, Date.now() + 20_000)
    expect(lock?.isOurs()).toBe(true)
    child.kill('SIGUSR2')
    child.kill('SIGCONT')
    expect(await said).toBe('taken\nfalse')
    expect(lock?.isOurs()).toBe(true)
  })

  test('a holder that is killed at any moment blocks nobody', async () => {
    const { home, world, path, names } = lockHome()
    const loop = `${TAKE}
      console.log('on')
      for (;;) tryLock(world, path)?.release()`
    for (let round = 0; round < 10; round += 1) {
      const children = Array.from({ length: 4 }, () => startProcess(home, loop, 'x', path))
      await Promise.all(children.map((child) => new Promise((resolve) => child.stdout?.once('data', resolve))))
      const ended = children.map((child) => new Promise((resolve) => child.once('close', resolve)))
      for (const child of children) {
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 10))
        child.kill('SIGKILL')
      }
      await Promise.all(ended)
      // A claim that its maker died with is nobody's after two seconds.
      const lock = await waitForLock({ ...world, now: () => Date.now() }, path, Date.now() + 5_000)
      expect(lock).toBeDefined()
      lock?.release()
    }
    for (const name of names()) utimesSync(join(dirname(path), name), 0, 0)
    sweep(world, path, [])
    expect(names()).toEqual([])
  })

  test('a claim that was left behind holds for two seconds and no longer', () => {
    const { world, path } = lockHome()
    writeFileSync(path, JSON.stringify({ pid: 4_194_304, start: 1, nonce: NONCE, ...TIMES }))
    const claim = `${path}.${NONCE}.claim.tmp`
    writeFileSync(claim, '')
    expect(tryLock(world, path)).toBeUndefined()
    utimesSync(claim, 0, 0)
    expect(tryLock(world, path)).toBeDefined()
    expect(existsSync(claim)).toBe(false)
  })
})

test('what killed writers left is swept: theirs at once, drafts of locks after a minute', () => {
  const { world, path, names } = lockHome()
  const directory = dirname(path)
  const write = (name: string, ageSeconds: number) => {
    writeFileSync(join(directory, name), '')
    utimesSync(join(directory, name), Date.now() / 1000, Date.now() / 1000 - ageSeconds)
  }
  for (const name of ['secrets.enc', 'secrets.meta', 'secrets.enc.damaged', 'registry.json']) write(name, 9_999)
  write('secrets.enc.17.tmp', 0)
  write('secrets.meta.17.tmp', 0)
  write('secrets.lock.new.tmp', 5)
  write('secrets.lock.old.tmp', 61)
  write('host.json.17.tmp', 61)
  sweep(world, path, [join(directory, 'secrets.enc'), join(directory, 'secrets.meta')])
  expect(names().sort()).toEqual([
    'registry.json',
    'secrets.enc',
    'secrets.enc.damaged',
    'secrets.lock.new.tmp',
    'secrets.meta',
  ])
})
