import { VARIABLE_NAME } from '../../variable-name.ts'
import type { World } from '../../world.ts'

/**
 * What the shell that starts a fetch, or macOS, sets or takes away by itself: dash passes on no name that isn't a
 * shell's own (`BASH_FUNC_f%%`), bash no prompts and none of its own variables, and macOS's /bin/sh no `DYLD_*`.
 */
const OF_A_SHELL =
  /^(?:_|__CF_USER_TEXT_ENCODING|OLDPWD|PWD|SHLVL|PS\d|PPID|S?RANDOM|HISTCMD|IFS|OPTIND|COMP_WORDBREAKS|BASH.*|DYLD_.*)$/

/**
 * Tells one client's environment from another's: a program that isn't found, a variable or a token that isn't there, a
 * password manager that isn't reached is one client's failure, and no answer for another.
 *
 * It goes by PATH, HOME and by which variables have a value. The values of others are not looked at: some change with
 * every start (sessions, traces), and a client that restarts a server again and again must be known again.
 */
export function askerOf({ env, sha256 }: Pick<World, 'env' | 'sha256'>): string {
  const names = Object.keys(env).filter(
    (name) => env[name] !== '' && VARIABLE_NAME.test(name) && !OF_A_SHELL.test(name),
  )
  return sha256(JSON.stringify([env['PATH'], env['HOME'], names.sort()])).slice(0, 16)
}
