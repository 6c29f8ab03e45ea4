import type { ServerEntry } from '../registry/entry.ts'
import { peekValues } from '../secrets/cache/peek.ts'
import { allWanted, type Context, specsOf } from '../secrets/open.ts'
import type { World } from '../world.ts'

/** Whether a server that was started then (milliseconds since the epoch) has another value than the cache has now. */
export function isSuperseded(entry: { readonly changedAt: number } | undefined, since: number): boolean {
  return since < (entry?.changedAt ?? 0)
}

/** Names the secrets of a server that have changed since it was started. Nothing is asked, made or changed. */
export async function supersededSecrets(
  world: World,
  context: Context,
): Promise<(server: ServerEntry, since: number) => string[]> {
  const values = await peekValues(world)
  return (server, since) =>
    specsOf(server)
      .filter(([, spec]) => allWanted(world, context, [spec]).some(({ key }) => isSuperseded(values.get(key), since)))
      .map(([name]) => name)
}
