import type { ServerEntry } from '../registry/entry.ts'
import { contentHash } from '../secrets/cache/content-hash.ts'
import { peekValues } from '../secrets/cache/peek.ts'
import type { Wanted } from '../secrets/cache/policy.ts'
import type { CachedValue } from '../secrets/cache/values.ts'
import { allWanted, type Context, specsOf } from '../secrets/open.ts'
import type { World } from '../world.ts'
import type { Launch } from './launches.ts'

/** What a server was started with. */
export interface Started extends Pick<Launch, 'since'> {
  readonly held?: Launch['held'] | undefined
}

/**
 * Whether a server was started with another value than a launch would give it now, as far as that can be told without
 * asking anybody: of a file that has changed since the cache last read it, only that it has.
 *
 * @param entry what the cache has.
 * @param fileHash the present file's, for a value that comes from one.
 */
export function isSuperseded(
  { ref }: Pick<Wanted, 'ref'>,
  entry: Pick<CachedValue, 'changedAt' | 'contentHash'> | undefined,
  fileHash: string | undefined,
  { since, held }: Started,
): boolean {
  const own = held?.[ref.text]
  if (fileHash !== undefined && own?.contentHash !== undefined) {
    if (fileHash.startsWith(own.contentHash)) return false
    if (entry?.contentHash !== fileHash) return true
  }
  return (own?.changedAt ?? since) < (entry?.changedAt ?? 0)
}

/** Names the secrets of a server that have changed since it was started. Nothing is asked, made or changed. */
export async function supersededSecrets(
  world: World,
  context: Context,
): Promise<(server: ServerEntry, started: Started) => string[]> {
  const values = await peekValues(world)
  const isOld = (item: Wanted, started: Started): boolean =>
    isSuperseded(item, values.get(item.key), contentHash(world, item.policy), started)
  return (server, started) =>
    specsOf(server)
      .filter(([, spec]) => allWanted(world, context, [spec]).some((item) => isOld(item, started)))
      .map(([name]) => name)
}
