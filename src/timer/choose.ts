import { dirname } from 'node:path'
import type { Host } from '../launch/host.ts'
import { findSystemTool } from '../programs.ts'
import type { World } from '../world.ts'
import { crontab } from './crontab.ts'
import { launchAgent } from './launchd.ts'
import type { Scheduler } from './scheduler.ts'
import { systemdTimer } from './systemd.ts'
import { type Tool, tool } from './tool.ts'

/** A systemd user timer where a user manager answers, a LaunchAgent on macOS, else a line for the user's crontab. */
export async function chooseScheduler(world: World, host: Host): Promise<Scheduler> {
  if (world.platform === 'darwin') return launchAgent(world, tool(world, '/bin/launchctl'))
  const systemctl = await findManager(world, host)
  if (typeof systemctl !== 'string') return systemdTimer(world, systemctl)
  return crontab(world, tool(world, findSystemTool(world, 'crontab') ?? 'crontab'), systemctl)
}

/** `systemctl --user`, or why there is nobody to talk to. A manager that died may have left its socket. */
async function findManager(world: World, { manager, runtimeDirectory, tools }: Host): Promise<Tool | string> {
  if (!manager.listening) return manager.why
  // A packager's systemd-run has its systemctl beside it.
  const beside = tools['systemd-run'] === undefined ? [] : [dirname(tools['systemd-run'])]
  const program = findSystemTool(world, 'systemctl', beside)
  if (program === undefined) return 'no systemctl on the PATH'
  const run = tool(world, program, {
    ...(runtimeDirectory === undefined ? {} : { XDG_RUNTIME_DIR: runtimeDirectory }),
    // Times and words as they are read here.
    TZ: 'UTC',
    LC_ALL: 'C',
    SYSTEMD_COLORS: '0',
  })
  const systemctl: Tool = (...args) => run('--user', '--no-pager', ...args)
  const { ok, complaint } = await systemctl('show', '--property=Version')
  return ok ? systemctl : `the user manager does not answer: ${complaint}`
}
