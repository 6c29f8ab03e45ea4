import type { Settings } from '../registry/entry.ts'
import type { Wanted } from '../secrets/cache/policy.ts'
import type { Ref } from '../secrets/ref.ts'
import type { Environment } from '../world.ts'
import { proxiesWithPassword } from './network.ts'

/**
 * What the refreshes of a timer will lack: credentials that lie in a variable of the shell alone. None is copied into a
 * unit, which everybody may read and backups keep.
 *
 * @param items what the timer refreshes.
 * @param passed the variables that it has.
 * @returns a sentence for each, with what to do.
 */
export function missingCredentials(
  items: readonly Pick<Wanted, 'ref'>[],
  { onepassword: { token } }: Pick<Settings, 'onepassword'>,
  env: Environment,
  passed: readonly string[],
): string[] {
  const refs = items.map(({ ref }) => ref)
  const asks1Password = refs.some(({ kind }) => kind === 'op' || kind === 'op-env')
  // The token's source is asked with the timer's variables too.
  const read = asks1Password ? [...refs, token] : refs
  const has = (...kinds: Ref['kind'][]): boolean => read.some(({ kind }) => kinds.includes(kind))
  const variables = new Set(refs.flatMap((ref) => (ref.kind === 'env' ? [ref.name] : [])))
  return [
    ...(asks1Password && token.kind === 'env'
      ? [
          `the timer has no ${token.name}, and so can't ask 1password: put the token into a file of mode 0600, ` +
            'and "token: file:PATH" under "onepassword" into the registry',
        ]
      : []),
    ...(has('sops', 'age')
      ? ['SOPS_AGE_KEY', 'SOPS_AGE_KEY_CMD']
          .filter((name) => env[name] !== undefined)
          .map((name) => `the timer has no ${name}: put the key into ~/.config/sops/age/keys.txt`)
      : []),
    ...[...variables].map((name) => `the timer has no ${name}: a value from a variable is not refreshed by it`),
    ...(has('command')
      ? [`commands that the timer runs have of your variables ${passed.join(', ')}: what needs another fails there`]
      : []),
    ...proxiesWithPassword(env).map(
      (name) => `the timer has no ${name}, as there may be a password in it, and a unit is no place for one`,
    ),
  ]
}
