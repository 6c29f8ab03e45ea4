import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type AuditEvent, audit, auditLog, auditLogs, client } from '../src/audit.ts'
import type { World } from '../src/world.ts'
import { errno, filesWith, testHome } from './secrets/cache/home.ts'
import { parallel } from './secrets/cache/parallel.ts'

const EVENT: AuditEvent = { event: 'refresh', ref: 'op://v/i/f', outcome: 'fetched' }
const MIB = 1024 * 1024

const read = (world: World) => auditLogs(world).flatMap(linesOf)

function linesOf(path: string): Record<string, unknown>[] {
  try {
    const text = readFileSync(path, 'utf8')
    expect(text.endsWith('\n')).toBe(true)
    return text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

describe('the audit log', () => {
  test('has a line an event, with the time and the pid, in a file of 0600', () => {
    const { world } = testHome({ now: () => Date.UTC(2026, 0, 2, 3, 4, 5) })
    const events: AuditEvent[] = [
      {
        event: 'launch',
        server: 's',
        start: 1,
        client: { pid: 2, program: 'p' },
        variables: ['A'],
        cache: { A: 'hit' },
      },
      { event: 'failure', client: { pid: 2 }, exitCode: 75, error: 'two\nlines \u001b' },
      EVENT,
      { event: 'purge', ref: 'r' },
      { event: 'cooldown', source: 'op', until: 'u', failures: 1, error: 'e' },
      { event: 'damage', file: '/f', why: 'w' },
    ]
    for (const event of events) audit(world, event)
    const base = { time: '2026-01-02T03:04:05.000Z', pid: process.pid }
    expect(read(world)).toEqual(events.map((event) => ({ ...base, ...event })))
    expect(readFileSync(auditLog(world), 'utf8').split('\n')).toHaveLength(events.length + 1)
    expect(statSync(auditLog(world)).mode & 0o777).toBe(0o600)
    expect(statSync(join(auditLog(world), '..')).mode & 0o777).toBe(0o700)
  })

  test('is rotated by its size: four files at most, and the oldest goes', () => {
    const { world } = testHome()
    const filler = 'x'.repeat(100_000)
    let count = 0
    for (; count < 60; count += 1) audit(world, { event: 'purge', ref: `${count} ${filler}` })
    const kept = read(world).map(({ ref }) => Number(String(ref).split(' ')[0]))
    expect(kept).toEqual(Array.from({ length: kept.length }, (_, index) => count - kept.length + index))
    expect(kept.length).toBeGreaterThanOrEqual(33)
    const directory = join(auditLog(world), '..')
    expect(readdirSync(directory).sort()).toEqual(['audit.jsonl', 'audit.jsonl.1', 'audit.jsonl.2', 'audit.jsonl.3'])
    for (const name of readdirSync(directory)) {
      expect(statSync(join(directory, name)).size).toBeLessThan(MIB + 101_000)
    }
  })

  /** Each writes so many lines of a random length up to the given one. */
  const WRITE = `
    const { audit } = await load('audit.ts')
    const [writer, count, longest] = words
    for (let n = 0; n < Number(count); n += 1) {
      audit(world, { event: 'purge', ref: writer + '-' + n + ' ' + 'x'.repeat(Math.random() * Number(longest)) })
    }`
  const written = (world: World) => read(world).map(({ ref }) => String(ref).split(' ')[0] as string)

  test('of 50 parallel writers has every line, whole', async () => {
    const { home, world } = testHome()
    await parallel(50, home, WRITE, '20', '1500')
    const expected = Array.from({ length: 1_000 }, (_, index) => `${index % 50}-${Math.floor(index / 50)}`)
    expect(written(world).sort()).toEqual(expected.sort())
  })

  test('of parallel writers loses no line at a rotation', async () => {
    const { home, world } = testHome()
    // About three MiB: less than what is kept.
    await parallel(20, home, WRITE, '150', '2000')
    expect(read(world)).toHaveLength(3_000)
    expect(new Set(written(world)).size).toBe(3_000)
    expect(
      auditLogs(world)
        .slice(1)
        .map((path) => existsSync(path)),
    ).toEqual([true, true, true])
  })

  test('that a killed process was about to rotate is rotated a little later', () => {
    const self = testHome()
    audit(self.world, EVENT)
    writeFileSync(auditLog(self.world), `${'x'.repeat(MIB)}\n`)
    writeFileSync(`${auditLog(self.world)}.tmp`, '')
    audit(self.world, EVENT)
    expect(existsSync(`${auditLog(self.world)}.1`)).toBe(false)
    self.clock += 60_000
    audit(self.world, EVENT)
    audit(self.world, EVENT)
    expect(existsSync(`${auditLog(self.world)}.1`)).toBe(true)
    expect(existsSync(`${auditLog(self.world)}.tmp`)).toBe(false)
  })

  test.each(['ENOSPC', 'EROFS', 'EACCES', 'EISDIR'])('that cannot be written (%s) stops nothing', (code) => {
    const fail = () => {
      throw errno(code)
    }
    const { world } = testHome({ files: filesWith({ appendLine: fail, makeDirectory: fail, rename: fail }) })
    audit(world, EVENT)
    audit({ ...world, env: {} }, EVENT)
  })

  test('after a line that a full disk has cut off goes on in a new one', () => {
    const { world } = testHome()
    audit(world, EVENT)
    writeFileSync(auditLog(world), `${readFileSync(auditLog(world), 'utf8')}{"time":"2026-01-0`)
    audit(world, EVENT)
    audit(world, EVENT)
    const lines = readFileSync(auditLog(world), 'utf8').split('\n')
    const events = lines.map((line) => (line.endsWith('}') ? (JSON.parse(line) as { event: string }).event : line))
    expect(events).toEqual(['refresh', '{"time":"2026-01-0', 'refresh', 'refresh', ''])
  })

  test('is not written where others can write, and the caller is told', () => {
    const { world } = testHome()
    expect(audit(world, EVENT)).toBeUndefined()
    const directory = join(auditLog(world), '..')
    chmodSync(directory, 0o777)
    const told = { message: `refusing the state directory "${directory}": others can write it (mode 0777)` }
    expect(audit(world, EVENT)).toMatchObject({ ...told, hint: `chmod go-w ${directory}` })
    expect(read(world)).toHaveLength(1)
  })

  test('is no link: what one leads to is let alone', () => {
    const { home, world } = testHome()
    mkdirSync(join(auditLog(world), '..'), { recursive: true, mode: 0o700 })
    writeFileSync(join(home, 'target'), 'x\n')
    symlinkSync(join(home, 'target'), auditLog(world))
    expect(audit(world, EVENT)).toMatchObject({
      message: `refusing the audit log "${auditLog(world)}": is not a regular file`,
      hint: `remove it: rm ${auditLog(world)}`,
    })
    expect(readFileSync(join(home, 'target'), 'utf8')).toBe('x\n')
  })

  test('that cannot be rotated is written on', () => {
    const { world } = testHome()
    audit(world, EVENT)
    writeFileSync(auditLog(world), `${'x'.repeat(MIB)}\n`)
    mkdirSync(join(`${auditLog(world)}.1`, 'sub'), { recursive: true })
    mkdirSync(join(`${auditLog(world)}.2`, 'sub'), { recursive: true })
    mkdirSync(join(`${auditLog(world)}.3`, 'sub'), { recursive: true })
    audit(world, EVENT)
    audit(world, EVENT)
    expect(readFileSync(auditLog(world), 'utf8').match(/refresh/g)?.length).toBeGreaterThan(0)
  })
})

describe('the client', () => {
  test('is the parent process', () => {
    const { world } = testHome()
    expect(client(world)).toEqual({ pid: process.ppid, program: expect.stringMatching(/./) })
  })

  test('is a pid alone where its name cannot be told', () => {
    const { world } = testHome({ parentPid: () => 4_194_304 })
    expect(client(world)).toEqual({ pid: 4_194_304 })
  })
})
