import type { World } from '../../world.ts'
import type { Ref } from '../ref.ts'
import type { Outcome, Source } from '../source.ts'

/**
 * The sources that a launch's references need and no others: what reads SOPS and age files costs tens of
 * milliseconds to load. Files named by references are relative to `baseDirectory`; `token` gives the 1Password service
 * account's token.
 */
export function openSources(
  world: World,
  baseDirectory: string,
  refs: readonly Ref[],
  token: () => Promise<Outcome>,
): Promise<Source[]> {
  const kinds = new Set(refs.map(({ kind }) => kind))
  const open: Partial<Record<Ref['kind'], () => Promise<Source>>> = {
    env: async () => (await import('./environment.ts')).environmentSource(world),
    file: async () => (await import('./file.ts')).fileSource(world, baseDirectory),
    command: async () => (await import('./command.ts')).commandSource(world, baseDirectory),
    sops: async () => (await import('./sops.ts')).sopsSource(world, baseDirectory),
    op: async () => (await import('./op.ts')).opSource(world, token),
    age: async () => (await import('./age.ts')).ageSource(world, baseDirectory),
  }
  return Promise.all([...kinds].flatMap((kind) => open[kind]?.() ?? []))
}
