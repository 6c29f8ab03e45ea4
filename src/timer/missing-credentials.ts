import type { Settings } from '../registry/entry.ts'
import type { Wanted } from '../secrets/cache/policy.ts'
import type { Environment } from '../world.ts'

/**
 * What the refreshes of a timer will lack: credentials that lie in a variable of the shell alone. None is copied into a
 * unit, which everybody may read and backups keep.
 *
 * @param items what the timer refreshes.
 * @returns a sentence for each, with what to do.
 */
export function missingCredentials(
  items: readonly Pick<Wanted, 'ref'>[],
  { onepassword: { token } }: Settings,
  env: Environment,
): string[] {
  const kinds = new Set(items.map(({ ref }) => ref.kind))
  const variables = new Set(items.flatMap(({ ref }) => (ref.kind === 'env' ? [ref.name] : [])))
  return [
    ...(kinds.has('op') && token.kind === 'env'
      ? [
          `the timer has no ${token.name}, and so can't ask 1password: put the token into a file of mode 0600, ` +
            'and "token: file:PATH" under "onepassword" into the registry',
        ]
      : []),
    ...(kinds.has('sops')
      ? ['SOPS_AGE_KEY', 'SOPS_AGE_KEY_CMD']
          .filter((name) => env[name] !== undefined)
          .map((name) => `the timer has no ${name}: put the key into ~/.config/sops/age/keys.txt`)
      : []),
    ...[...variables].map((name) => `the timer has no ${name}: a value from a variable is not refreshed by it`),
  ]
}
