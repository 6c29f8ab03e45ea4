import type { Job } from '../../src/timer/job.ts'
import { scheduleFor } from '../../src/timer/schedule.ts'

/** A job of four hours' time to live. */
export function job(overrides: Partial<Job> = {}): Job {
  return {
    argv: ['/usr/bin/mcp-launch', 'secrets', 'refresh'],
    env: { HOME: '/home/me', PATH: '/usr/bin' },
    schedule: scheduleFor(4 * 3_600_000),
    ...overrides,
  }
}
