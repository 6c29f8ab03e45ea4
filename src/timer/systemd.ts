import { configHome, homeDirectory } from '../directories.ts'
import { LaunchError } from '../errors.ts'
import type { World } from '../world.ts'
import { isOwn, removeOwn, writeOwn } from './own-files.ts'
import type { Scheduler } from './scheduler.ts'
import { PROPERTIES, stateFrom } from './systemd-state.ts'
import { FAILED, SERVICE, TIMER, unitTexts } from './systemd-text.ts'
import type { Tool } from './tool.ts'

/** Timer first: it is what makes the others run. */
const UNITS = [TIMER, SERVICE, FAILED] as const

/** A timer of the systemd user manager that this `systemctl --user` talks to. */
export function systemdTimer(world: World, systemctl: Tool): Scheduler {
  const pathOf = (unit: string): string => `${unitDirectory(world)}/${unit}`
  return {
    kind: 'systemd',
    async install(job) {
      const texts = Object.entries(unitTexts(job)).map(([unit, text]) => [pathOf(unit), text])
      const changed = await writeOwn(world, Object.fromEntries(texts))
      if (changed.length > 0) await must(systemctl, 'daemon-reload')
      await assertSeen(world, systemctl, pathOf(TIMER))
      await must(systemctl, 'enable', '--now', TIMER)
      if (changed.length > 0) {
        await systemctl('reset-failed', SERVICE, FAILED)
        // The calendar's first time may be hours away.
        await must(systemctl, 'start', '--no-block', SERVICE)
      }
      return { kind: 'systemd', files: UNITS.map(pathOf), changed }
    },
    async remove() {
      if (isOwn(world, pathOf(TIMER))) await must(systemctl, 'disable', '--now', TIMER)
      const files = removeOwn(world, UNITS.map(pathOf))
      if (files.length === 0) return { kind: 'systemd', files }
      await systemctl('stop', SERVICE)
      world.files.remove(stampPath(world))
      await must(systemctl, 'daemon-reload')
      await systemctl('reset-failed', ...UNITS)
      return { kind: 'systemd', files }
    },
    async status() {
      const installed = isOwn(world, pathOf(TIMER))
      const { stdout } = await must(systemctl, 'show', `--property=${PROPERTIES}`, TIMER, SERVICE)
      return { ...stateFrom(stdout), installed }
    },
  }
}

/** Of this user; `$XDG_CONFIG_HOME/systemd/user`, systemd.unit(5). */
export function unitDirectory(world: World): string {
  return `${configHome(world)}/systemd/user`
}

/**
 * Removes the units where no manager can be asked, and the link by which the timer was enabled.
 * @returns the files.
 */
export function removeUnitFiles(world: World): string[] {
  const directory = unitDirectory(world)
  const files = removeOwn(
    world,
    UNITS.map((unit) => `${directory}/${unit}`),
  )
  if (files.length > 0) {
    world.files.remove(`${directory}/timers.target.wants/${TIMER}`)
    world.files.remove(stampPath(world))
  }
  return files
}

/** Where systemd keeps, for `Persistent=`, when the timer ran last (systemd.timer(5)). */
function stampPath(world: World): string {
  const given = world.env['XDG_DATA_HOME']
  const data = given?.startsWith('/') ? given : `${homeDirectory(world)}/.local/share`
  return `${data}/systemd/timers/stamp-${TIMER}`
}

/** The manager may have another XDG_CONFIG_HOME than the shell: then it sees no file of ours, and none is left. */
async function assertSeen(world: World, systemctl: Tool, path: string): Promise<void> {
  const { stdout } = await must(systemctl, 'show', '--property=FragmentPath', '--value', TIMER)
  const seen = stdout.trim()
  if (seen !== '' && world.files.stat(seen)?.inode === world.files.stat(path)?.inode) return
  removeUnitFiles(world)
  throw new LaunchError('failure', {
    what: 'the user manager reads no units from',
    subject: unitDirectory(world),
    why: seen === '' ? 'it has another XDG_CONFIG_HOME' : `it takes ${TIMER} from ${seen}`,
    hint: 'run this with the XDG_CONFIG_HOME that the manager has: systemctl --user show-environment',
  })
}

async function must(systemctl: Tool, ...args: readonly string[]): ReturnType<Tool> {
  const result = await systemctl(...args)
  if (result.ok) return result
  throw new LaunchError('failure', {
    what: `systemctl --user ${args.join(' ')} failed`,
    why: result.complaint,
    hint: 'systemctl --user status',
  })
}
