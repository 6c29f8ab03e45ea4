import { dirname } from 'node:path'
import type { Registered, SecretSpec, ServerEntry } from '../registry/entry.ts'
import type { World } from '../world.ts'
import { type CacheOptions, cachedSource } from './cache/cached-source.ts'
import { type Wanted, wanted } from './cache/policy.ts'
import { resolvePath } from './path.ts'
import { isOnePassword, type Ref } from './ref.ts'
import { resolveRefs } from './resolve.ts'
import { Secret } from './secret.ts'
import type { Outcome, Source } from './source.ts'
import { openSources } from './sources/open.ts'

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
export function innerSource(world: World, context: Context, { byProgram } = { byProgram: false }): Source {
  const baseDirectory = dirname(context.registryPath)
  const onepassword = { token: () => resolveToken(world, context), byProgram }
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
  return cachedSource(world, innerSource(world, context), {
    ...how,
    settings: context.settings.cache,
    wanted: allWanted(world, context, specs),
    tokenPrint: () => tokenPrint(world, context),
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

/** Tells one 1Password token from another; undefined if there is none. */
export async function tokenPrint(world: World, context: Context): Promise<string | undefined> {
  const token = await resolveToken(world, context)
  return token instanceof Secret ? token.fingerprint(world.sha256) : undefined
}

async function resolveToken(world: World, { registryPath, settings }: Context): Promise<Outcome> {
  const { token } = settings.onepassword
  const deadline = world.now() + settings.cache.resolveTimeoutMs
  const sources = await openSources(world, dirname(registryPath), [token], { token: noToken, byProgram: false })
  const outcomes = await resolveRefs(sources, [token], deadline)
  return outcomes.get(token.text) as Outcome
}

/** The registry refuses a token that is kept in 1Password. */
function noToken(): Promise<Outcome> {
  throw new Error('a 1password token can not come from 1password')
}

/** The kinds that are asked of somebody else, and so fetched apart from a launch. */
export function isRemote(ref: Ref): boolean {
  return isOnePassword(ref) || ref.kind === 'command'
}
