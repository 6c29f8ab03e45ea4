import { LaunchError } from '../errors.ts'
import type { Job } from './job.ts'
import { crontabFields } from './schedule.ts'

/** Crons differ in what they take away of a backslash before the shell sees it, and `%` can't be had without one. */
const TROUBLE = /[\r\n%\\]/

/**
 * The line for crontab(5). What the refresh has to say on stderr is mailed by cron, its table is not.
 *
 * @param offset any whole number; the same for the same user, so that the line doesn't change from call to call.
 * @throws LaunchError `usage` for a path that a crontab can't hold.
 */
export function crontabLine({ argv, env, schedule }: Job, offset: number): string {
  const trouble = [...argv, ...Object.values(env)].find((text) => TROUBLE.test(text))
  if (trouble !== undefined) {
    throw new LaunchError('usage', {
      what: "can't write into a crontab",
      subject: trouble,
      why: 'has a percent sign, a backslash or a line break',
      hint: 'rename it, or call "mcp-launch secrets refresh --scheduled" from a script of yours',
    })
  }
  const variables = Object.entries(env).map(([name, value]) => `${name}=${shellWord(value)}`)
  const command = [...variables, ...argv.map(shellWord), '>/dev/null'].join(' ')
  return `${crontabFields(schedule, offset)} ${command}`
}

function shellWord(text: string): string {
  return /^[\w@+:,./-]+$/.test(text) ? text : `'${text.replace(/'/g, `'"'"'`)}'`
}
