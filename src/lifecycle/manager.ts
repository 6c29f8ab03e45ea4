import { dirname } from 'node:path'
import { findSystemTool } from '../programs.ts'
import type { World } from '../world.ts'

/** What of the machine decides whether the user manager can be asked; a `Host` is one. */
export interface ManagerHost {
  readonly runtimeDirectory: string | undefined
  readonly manager: { readonly listening: true } | { readonly listening: false; readonly why: string }
  readonly tools: { readonly 'systemd-run'?: string }
}

/** How one call of `systemctl --user` ended. */
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
  // Times and words as they are read here; a bus of the client's own is nobody's manager.
  const env = { LC_ALL: 'C', TZ: 'UTC', SYSTEMD_COLORS: '0', XDG_RUNTIME_DIR: runtimeDirectory ?? '' }
  return async (args, timeoutMs) => {
    const { end, stdout, stderr } = await world.processes.run({
      file: program,
      args: ['--user', '--no-pager', ...args],
      env,
      cwd: '/',
      timeoutMs,
    })
    const ok = end.kind === 'exit' && end.code === 0
    const said = stderr.trim().split('\n').at(-1) || (end.kind === 'exit' ? `exit status ${end.code}` : end.kind)
    return { ok, stdout: stdout.toString(), complaint: ok ? '' : `systemctl: ${said.slice(0, 200)}` }
  }
}
