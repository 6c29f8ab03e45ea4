import type { World } from '../../world.ts'
import type { TokenSource } from '../op/connection.ts'
import type { Ref } from '../ref.ts'
import type { Source } from '../source.ts'

/** How 1Password is asked. */
export interface OnePassword {
  readonly token: TokenSource
  /** By the `op` program, which may ask a person at the terminal for an unlock. */
  readonly byProgram: boolean
}

/**
 * The sources that a launch's references need and no others: what reads SOPS and age files costs tens of
 * milliseconds to load. Files named by references are relative to `baseDirectory`.
 */
export function openSources(
  world: World,
  baseDirectory: string,
  refs: readonly Ref[],
  onepassword: OnePassword,
): Promise<Source[]> {
  const { token } = onepassword
  const kinds = new Set(refs.map(({ kind }) => kind))
  const open: Partial<Record<Ref['kind'], () => Promise<Source>>> = {
    env: async () => (await import('./environment.ts')).environmentSource(world),
    file: async () => (await import('./file.ts')).fileSource(world, baseDirectory),
    command: async () => (await import('./command.ts')).commandSource(world, baseDirectory),
    sops: async () => (await import('./sops.ts')).sopsSource(world, baseDirectory),
    op: async () =>
      onepassword.byProgram
        ? (await import('../op/op-program.ts')).opProgramSource(world)
        : (await import('./op.ts')).opSource(world, token),
    'op-env': async () => (await import('./op-env.ts')).opEnvironmentSource(world, token),
    age: async () => (await import('./age.ts')).ageSource(world, baseDirectory),
  }
  return Promise.all([...kinds].flatMap((kind) => open[kind]?.() ?? []))
}
