import { findProgram, statOf } from '../programs.ts'
import type { ServerEntry } from '../registry/entry.ts'
import type { World } from '../world.ts'
import type { Report } from './finding.ts'

/** Where `systemd-cat` writes: systemd-journald.service(8). */
const JOURNAL = '/run/systemd/journal/stdout'

/** A server starts without its log where that can't be had (launch/log.ts), and nobody is told but here. */
export function checkLogs(world: World, servers: readonly ServerEntry[], report: Report): void {
  for (const { name, logs } of servers) {
    if (logs === 'off') continue
    const missing = ['mkfifo', 'tee', ...(logs === 'journal' ? ['systemd-cat'] : [])].find(
      (program) => findProgram(world, program) === undefined,
    )
    const lack = missing ?? (logs === 'journal' && statOf(world, JOURNAL) === undefined ? 'journal' : undefined)
    if (lack === undefined) continue
    report({
      severity: 'warning',
      area: 'server',
      subject: name,
      what: 'no log of server',
      why: lack === 'journal' ? `no journal listens here (${JOURNAL})` : `there is no ${lack} on the PATH`,
      action: logs === 'journal' ? 'set "logs: file" for it in the registry' : `put ${lack} on the client's PATH`,
    })
  }
}
