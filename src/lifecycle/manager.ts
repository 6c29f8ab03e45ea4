import { dirname } from 'node:path'
import { complaintOf } from '../complaint.ts'
import { findSystemTool } from '../programs.ts'
import type { Environment, World } from '../world.ts'

/** What of the machine decides whether the user manager can be asked; a `Host` is one. */
export interface ManagerHost {
  readonly runtimeDirectory: string | undefined
  readonly manager: { readonly listening: true } | { readonly listening: false; readonly why: string }
  readonly tools: { readonly 'systemd-run'?: string }
}

/** How one call of a tool such as `systemctl --user` ended. */
export interface Answer {
  readonly ok: boolean
  readonly stdout: string
  /** In a few words; '' if all went well. */
  readonly complaint: string
}

/** `systemctl --user`. Never rejects. */
export type Systemctl = (args: readonly string[], timeoutMs: number) => Promise<Answer>

/** The user manager that servers get their scopes from, or why there is none to ask. */
export function userManager(world: World, host: ManagerHost): Systemctl | { readonly why: string } {
  const { manager, runtimeDirectory } = host
  if (!manager.listening) return { why: manager.why }
  // A packager's `systemd-run` has its `systemctl` beside it.
  const beside = host.tools['systemd-run'] === undefined ? [] : [dirname(host.tools['systemd-run'])]
  const program = findSystemTool(world, 'systemctl', beside)
  if (program === undefined) return { why: 'no systemctl here' }
  const words = { LC_ALL: 'C', TZ: 'UTC', SYSTEMD_COLORS: '0' }
  // Not all of the client's environment: a bus of its own is nobody's manager.
  const env = { ...unitPlaces(world), ...words, XDG_RUNTIME_DIR: runtimeDirectory ?? '' }
  return async (args, timeoutMs) => {
    const finished = await world.processes.run({
      file: program,
      args: ['--user', '--no-pager', ...args],
      env,
      cwd: '/',
      timeoutMs,
    })
    const ok = finished.end.kind === 'exit' && finished.end.code === 0
    return { ok, stdout: finished.stdout.toString(), complaint: ok ? '' : complaintOf('systemctl', finished) }
  }
}

/** `systemctl enable` looks for the user's units by itself. */
function unitPlaces({ env }: World): Environment {
  const names = ['HOME', 'XDG_CONFIG_HOME', 'XDG_DATA_HOME']
  return Object.fromEntries(names.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])))
}
