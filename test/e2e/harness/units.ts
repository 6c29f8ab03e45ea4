import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { UserManager } from './user-manager.ts'

const LIMIT_MS = 30_000

/** The units, loaded and of any state, whose names match a pattern such as `mcp-*.scope`. */
export async function listUnits(manager: UserManager, pattern: string): Promise<string[]> {
  const list = await systemctl(manager, ['list-units', '--all', '--plain', '--no-legend', pattern])
  return list.split('\n').flatMap((line) => line.split(' ')[0] || [])
}

/** Properties of a unit as `systemctl show` prints them. */
export async function unitProperties(manager: UserManager, unit: string): Promise<Record<string, string>> {
  const lines = (await systemctl(manager, ['show', unit])).split('\n').filter((line) => line.includes('='))
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]))
}

/** Kills all processes of a unit and waits for its end; fine if it isn't there. */
export async function killUnit(manager: UserManager, unit: string): Promise<void> {
  await systemctl(manager, ['kill', '--signal=KILL', unit]).catch(ignore)
  await systemctl(manager, ['stop', unit]).catch(ignore)
}

/**
 * Runs `systemctl --user` on the run's manager.
 * @returns its stdout; empty where there is no manager.
 * @throws execFile's error, with `stderr`, if it fails.
 */
export async function systemctl(manager: UserManager, args: readonly string[]): Promise<string> {
  if ('unavailable' in manager) return ''
  const { stdout } = await promisify(execFile)('systemctl', ['--user', ...args], {
    env: { PATH: process.env['PATH'], XDG_RUNTIME_DIR: manager.runtimeDir, LC_ALL: 'C' },
    timeout: LIMIT_MS,
  })
  return stdout
}

/** The unit has ended by itself. */
function ignore(): void {}
