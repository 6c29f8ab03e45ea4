import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { calendar, crontabFields, scheduleFor, scheduleForAll } from '../../src/timer/schedule.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

describe('how often, by all that is cached', () => {
  const living = (ttlMs: number) => ({ policy: { kind: 'time', ttlMs } as const })
  const file = { policy: { kind: 'content', file: '/f', ttlMs: Number.POSITIVE_INFINITY } } as const

  test.each([
    ['nothing', [], 3 * HOUR, 4 * HOUR],
    ['what is never cached', [{ policy: { kind: 'never' } } as const, living(0)], 3 * HOUR, 4 * HOUR],
    ['what lives longer', [living(DAY), file], 3 * HOUR, 4 * HOUR],
    ['what lives shorter', [living(DAY), living(30 * MINUTE)], 20 * MINUTE, 30 * MINUTE],
    ['what no timer can serve', [living(MINUTE)], 3 * HOUR, MINUTE],
  ])('%s', (_, items, stepMs, shortestMs) => {
    expect(scheduleForAll(4 * HOUR, items)).toMatchObject({ schedule: { stepMs }, shortestMs })
  })
})

describe('how often, by the time to live', () => {
  test.each([
    [7 * MINUTE, 5 * MINUTE, '*-*-* *:00/5:00'],
    [30 * MINUTE, 20 * MINUTE, '*-*-* *:00/20:00'],
    [HOUR, 30 * MINUTE, '*-*-* *:00/30:00'],
    [2 * HOUR, HOUR, '*-*-* 00/1:00:00'],
    [4 * HOUR, 3 * HOUR, '*-*-* 00/3:00:00'],
    [DAY, 12 * HOUR, '*-*-* 00/12:00:00'],
    [7 * DAY, DAY, '*-*-* 00:00:00'],
    [3650 * DAY, DAY, '*-*-* 00:00:00'],
  ])('%d ms: every %d ms', (ttlMs, stepMs, onCalendar) => {
    const schedule = scheduleFor(ttlMs)
    expect(schedule).toMatchObject({ stepMs, isTooSlow: false })
    expect(calendar(schedule)).toBe(onCalendar)
  })

  test.each([1, 60_000, 4 * MINUTE, 5 * MINUTE])('%d ms is too short for a timer', (ttlMs) => {
    expect(scheduleFor(ttlMs)).toMatchObject({ stepMs: 5 * MINUTE, isTooSlow: true })
  })

  test('two runs never lie further apart than a value lives', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3650 * DAY }), (ttlMs) => {
        const { stepMs, spreadMs, isTooSlow } = scheduleFor(ttlMs)
        expect(isTooSlow || stepMs + spreadMs < ttlMs).toBe(true)
        expect(spreadMs).toBeLessThanOrEqual(5 * MINUTE)
        expect(spreadMs).toBeGreaterThanOrEqual(0)
        if (ttlMs >= 7 * MINUTE) expect(isTooSlow).toBe(false)
      }),
    )
  })
})

describe('the fields of a crontab', () => {
  test.each([
    [30 * MINUTE, 77, '17-59/30 * * * *'],
    [HOUR, 77, '17 * * * *'],
    [4 * HOUR, 77, '17 1-23/3 * * *'],
    [7 * DAY, 77 + 60 * 24, '17 1 * * *'],
  ])('%d ms, offset %d', (ttlMs, offset, fields) => {
    const ttl = ttlMs === 30 * MINUTE ? HOUR : ttlMs === HOUR ? 2 * HOUR : ttlMs
    expect(crontabFields(scheduleFor(ttl), offset)).toBe(fields)
  })

  test('the offset moves the runs and never their number a day', () => {
    const offsets = fc.integer({ min: 0, max: 0xffffffff })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30 * DAY }), offsets, (ttlMs, offset) => {
        const schedule = scheduleFor(ttlMs)
        const [minutes = '', hours = ''] = crontabFields(schedule, offset).split(' ')
        const runs = times(minutes, 60).length * times(hours, 24).length
        expect(runs).toBe(DAY / schedule.stepMs)
      }),
    )
  })

  /** The values that a field of crontab(5) stands for. */
  function times(field: string, end: number): number[] {
    const all = Array.from({ length: end }, (_, value) => value)
    if (field === '*') return all
    const [, first, step] = /^(\d+)-\d+\/(\d+)$/.exec(field) ?? []
    if (first === undefined) return [Number(field)]
    return all.filter((value) => value >= Number(first) && (value - Number(first)) % Number(step) === 0)
  }
})
