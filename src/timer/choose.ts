import type { Host } from '../launch/host.ts'
import { userManager } from '../lifecycle/manager.ts'
import { findSystemTool } from '../programs.ts'
import type { World } from '../world.ts'
import { crontab } from './crontab.ts'
import { launchAgent } from './launchd.ts'
import type { Scheduler } from './scheduler.ts'
import { systemdTimer } from './systemd.ts'
import { LIMIT_MS, type Tool, tool } from './tool.ts'

/** A systemd user timer where a user manager answers, a LaunchAgent on macOS, else a line for the user's crontab. */
export async function chooseScheduler(world: World, host: Host): Promise<Scheduler> {
  if (world.platform === 'darwin') return launchAgent(world, tool(world, '/bin/launchctl'))
  const systemctl = await findManager(world, host)
  if (typeof systemctl !== 'string') return systemdTimer(world, systemctl)
  return crontab(world, tool(world, findSystemTool(world, 'crontab') ?? 'crontab'), systemctl)
}

/** `systemctl --user`, or why there is nobody to talk to. A manager that died may have left its socket. */
async function findManager(world: World, host: Host): Promise<Tool | string> {
  const manager = userManager(world, host)
  if ('why' in manager) return manager.why
  const systemctl: Tool = (...args) => manager(args, LIMIT_MS)
  const { ok, complaint } = await systemctl('show', '--property=Version')
  return ok ? systemctl : `the user manager does not answer: ${complaint}`
}
