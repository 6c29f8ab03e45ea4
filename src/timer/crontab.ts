import { homeDirectory } from '../directories.ts'
import type { World } from '../world.ts'
import { crontabLine } from './crontab-text.ts'
import type { Scheduler } from './scheduler.ts'
import { removeUnitFiles } from './systemd.ts'
import type { Tool } from './tool.ts'

/** How a line for us is known among others, whatever the user made of it. */
const OURS = /^[^#\n]*\bsecrets refresh --scheduled\b/m

/**
 * Where there is nobody to hand a timer to, the user's crontab: a line to add, which is left to the user, since whether
 * a cron daemon runs can't be told.
 *
 * @param why there is nobody.
 */
export function crontab(world: World, program: Tool, why: string): Scheduler {
  const hasLine = async (): Promise<boolean> => OURS.test((await program('-l')).stdout)
  return {
    kind: 'crontab',
    install(job) {
      // The same user asks at the same minute, and not every user at the same one.
      const offset = Number.parseInt(world.sha256(homeDirectory(world)).slice(0, 8), 16)
      return Promise.resolve({ kind: 'crontab', files: [], changed: [], line: crontabLine(job, offset), why })
    },
    async remove() {
      const files = removeUnitFiles(world)
      const remark = 'take the line with "secrets refresh --scheduled" out of your crontab: crontab -e'
      return { kind: 'crontab', files, ...((await hasLine()) ? { remark } : {}) }
    },
    async status() {
      const installed = await hasLine()
      return { kind: 'crontab', installed, active: installed }
    },
  }
}
