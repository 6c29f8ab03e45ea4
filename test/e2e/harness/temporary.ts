import { existsSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'

/** What the names of all that the tests make outside the project begin with; the pid of who made it follows. */
export const PREFIX = 'mcp-launch-test-'

/** The beginning of a name of something that belongs to this process. */
export function runPrefix(): string {
  return `${PREFIX}${process.pid}-`
}

/** Whether something with such a name belongs to a process that is gone. */
export function isAbandoned(path: string): boolean {
  const [pid] = basename(path).slice(PREFIX.length).split('-')
  return existsSync('/proc/self') && !existsSync(`/proc/${pid}`)
}

/** Removes the temporary directories of test runs that were killed. */
export function removeAbandonedDirectories(): void {
  const names = readdirSync(tmpdir()).filter((name) => name.startsWith(PREFIX) && isAbandoned(name))
  for (const name of names) rmSync(join(tmpdir(), name), { recursive: true, force: true })
}
