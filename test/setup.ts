import type { TestProject } from 'vitest/node'
import { openRuntimes } from './e2e/harness/runtimes.ts'
import { removeAbandonedDirectories } from './e2e/harness/temporary.ts'
import { reason } from './e2e/harness/unavailable.ts'
import { openUserManager, withoutLimits } from './e2e/harness/user-manager.ts'

/**
 * Before the whole-program tests: a systemd user manager and the other Node versions. Where they can't be had, the
 * tests that need them are skipped and the reason is printed; in CI (`CI=true`) that is a failure.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  removeAbandonedDirectories()
  const [{ manager, stop }, runtimes] = await Promise.all([openUserManager(), openRuntimes()])
  try {
    const missing = [manager, runtimes.oldest, runtimes.withoutExecve].map((thing) => reason(thing))
    for (const why of [...missing, withoutLimits(manager)]) if (why !== undefined) complain(why)
  } catch (error) {
    await stop()
    throw error
  }
  project.provide('userManager', manager)
  project.provide('runtimes', runtimes)
  return stop
}

function complain(reason: string): void {
  if (process.env['CI'] === 'true') throw new Error(`the tests can't run as they should: ${reason}`)
  console.warn(`skipping tests: ${reason}`)
}
