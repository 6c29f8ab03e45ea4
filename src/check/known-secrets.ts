import { isLaunchersOwn, looksLikeCredential } from '../launch/credentials.ts'
import type { ServerEntry } from '../registry/entry.ts'
import { readIdentity } from '../secrets/cache/identity.ts'
import { places } from '../secrets/cache/places.ts'
import { readValues } from '../secrets/cache/values.ts'
import { allWanted, type Context, isRemote, specsOf } from '../secrets/open.ts'
import { Secret } from '../secrets/secret.ts'
import type { Outcome } from '../secrets/source.ts'
import type { World } from '../world.ts'
import { sourceName } from './sources.ts'

/** Shorter values of the client's variables are words like `true`. */
const SHORTEST_CREDENTIAL = 6

/** The secrets that a server's words may hold. */
export interface KnownSecrets {
  readonly values: readonly Secret[]
  /** The sources whose values can't be known: the server's words must then not be shown at all. */
  readonly unknown: readonly string[]
}

/**
 * Every value that a server may have been started with: what its sources said, what the cache has, and the client's
 * own credentials. To be asked before its start and after its end: the start itself may renew the cache.
 */
export async function knownSecrets(
  world: World,
  context: Context,
  server: ServerEntry,
  outcomes: ReadonlyMap<string, Outcome>,
): Promise<KnownSecrets> {
  const specs = specsOf(server).map(([, spec]) => spec)
  const cached = await cachedValues(world)
  const values: Secret[] = []
  const unknown: string[] = []
  for (const { ref, key, policy } of allWanted(world, context, specs)) {
    const asked = outcomes.get(ref.text)
    const found = [asked, cached.get(key)].filter((value) => value instanceof Secret)
    values.push(...found.flatMap((value) => (ref.kind === 'op-env' ? [...value.toMap().values()] : value)))
    if (isRemote(ref) && (policy.kind === 'never' || !cached.has(key))) unknown.push(sourceName(ref))
  }
  return { values: [...values, ...credentials(world)], unknown }
}

function credentials({ env }: World): Secret[] {
  return Object.entries(env)
    .filter(([name, value]) => value.length >= SHORTEST_CREDENTIAL && isCredential(name, value))
    .map(([, value]) => new Secret(value))
}

function isCredential(name: string, value: string): boolean {
  return (isLaunchersOwn(name) && !name.startsWith('MCP_LAUNCH_')) || looksLikeCredential(name, value)
}

async function cachedValues(world: World): Promise<ReadonlyMap<string, Secret>> {
  try {
    const where = places(world)
    const identity = await readIdentity(world, where)
    const reading = identity === undefined ? undefined : await readValues(world, where, identity)
    if (reading?.kind !== 'values') return new Map()
    return new Map([...reading.values].map(([key, { value }]) => [key, value]))
  } catch {
    return new Map()
  }
}
