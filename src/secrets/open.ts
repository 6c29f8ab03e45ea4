import { dirname } from 'node:path'
import type { Registered, SecretSpec, ServerEntry } from '../registry/entry.ts'
import type { World } from '../world.ts'
import { type CacheOptions, cachedSource } from './cache/cached-source.ts'
import { type Wanted, wanted } from './cache/policy.ts'
import { resolvePath } from './path.ts'
import { isOnePassword, type Ref } from './ref.ts'
import { resolveRefs } from './resolve.ts'
import type { Source } from './source.ts'
import { openSources } from './sources/open.ts'
import { openToken, type Token } from './token.ts'

/** What the references of a registry need to be resolved. */
export type Context = Pick<Registered, 'registryPath' | 'settings'>

/** A server's secrets by name, and before them its whole `environment`, under its reference for a name. */
export function specsOf({ environment, secrets }: ServerEntry): [string, SecretSpec][] {
  const whole: SecretSpec | undefined = environment && { from: environment, as: 'env', required: true }
  return [
    ...(whole === undefined ? [] : [[whole.from.text, whole] satisfies [string, SecretSpec]]),
    ...Object.entries(secrets),
  ]
}

/**
 * Every source behind the cache; each is loaded only if it is asked.
 *
 * @param byProgram asks 1Password by the `op` program, which may prompt: for a person at a terminal only.
 */
export function innerSource(
  world: World,
  context: Context,
  {
    token = openToken(world, context),
    byProgram = false,
  }: { readonly token?: Token; readonly byProgram?: boolean } = {},
): Source {
  const baseDirectory = dirname(context.registryPath)
  const onepassword = { token: token.resolve, byProgram }
  return {
    async resolve(refs, deadline) {
      return resolveRefs(await openSources(world, baseDirectory, refs, onepassword), refs, deadline)
    },
  }
}

/** The same behind the cache. */
export function secretSource(
  world: World,
  context: Context,
  specs: readonly SecretSpec[],
  how: Pick<CacheOptions, 'startFetch' | 'note' | 'seen' | 'onDamage'>,
): Source {
  const token = openToken(world, context)
  return cachedSource(world, innerSource(world, context, { token }), {
    ...how,
    settings: context.settings.cache,
    wanted: allWanted(world, context, specs),
    tokenPrint: token.print,
  })
}

/** The references of these secrets with their cache policies; each reference once, with its strictest policy. */
export function allWanted(world: World, { registryPath, settings }: Context, specs: readonly SecretSpec[]): Wanted[] {
  const absolute = (file: string): string => resolvePath(world, dirname(registryPath), file)
  const byText = new Map<string, Wanted>()
  for (const spec of specs) {
    const item = wanted(spec.from, spec, settings, absolute)
    const known = byText.get(spec.from.text)
    if (known === undefined || lifetime(item) < lifetime(known)) byText.set(spec.from.text, item)
  }
  return [...byText.values()]
}

function lifetime({ policy }: Wanted): number {
  return policy.kind === 'never' ? 0 : policy.ttlMs
}

/** The kinds that are asked of somebody else, and so fetched apart from a launch. */
export function isRemote(ref: Ref): boolean {
  return isOnePassword(ref) || ref.kind === 'command'
}
