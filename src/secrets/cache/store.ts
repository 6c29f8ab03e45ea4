import type { LaunchError } from '../../errors.ts'
import { assertOnlyOwnerWrites } from '../../permissions.ts'
import type { World } from '../../world.ts'
import { cacheError } from './cache-error.ts'
import { openIdentity } from './identity.ts'
import { sweep } from './lock.ts'
import { type Meta, readMeta, writeMeta } from './meta.ts'
import { type Places, places } from './places.ts'
import { readValues, setAside, type Values, writeValues } from './values.ts'
import { mapDetails, sealed, unsealed } from './words.ts'

/** The two files of the cache, opened. */
export interface Store {
  readonly places: Places
  /** The values as they are on the disk now; none if they can't be read. */
  readValues(): Promise<Values>
  readMeta(): Meta
  /**
   * Writes both, the values first: a crash between the two leaves new values with old states, which is harmless.
   * What could not be read before is set aside, and what killed writers left is removed. To be called under the lock.
   * Throws LaunchError if they can't be written.
   */
  write(values: Values, meta: Meta): Promise<void>
}

/** Told of damage, once, by who sets it aside: the audit log's business. */
export type OnDamage = (file: string, why: string) => void

/** Opens the cache, or tells why it can't be used: a home that can't be written, a key that others can read. */
export async function openStore(world: World, onDamage: OnDamage): Promise<Store | LaunchError> {
  try {
    const where = places(world)
    world.files.makeDirectory(where.directory)
    assertOwn(world, where)
    const identity = await openIdentity(world, where)
    return {
      places: where,
      async readValues() {
        const reading = await readValues(world, where, identity)
        return reading.kind === 'values' ? reading.values : new Map()
      },
      readMeta: () => mapDetails(readMeta(world, where), (sealed) => unsealed(world, identity, sealed)),
      async write(values, meta) {
        try {
          await write(world, where, identity, { values, meta, onDamage })
        } catch (error) {
          throw cacheError(error)
        }
      },
    }
  } catch (error) {
    return cacheError(error)
  }
}

async function write(
  world: World,
  where: Places,
  identity: Uint8Array,
  { values, meta, onDamage }: { values: Values; meta: Meta; onDamage: OnDamage },
): Promise<void> {
  sweep(world, where.lock, [where.values, where.meta])
  const reading = await readValues(world, where, identity)
  if (reading.kind === 'damaged') {
    setAside(world, where)
    onDamage(where.values, reading.why)
  }
  const checksum = await writeValues(world, where, identity, values)
  writeMeta(world, where, { ...mapDetails(meta, (words) => sealed(world, identity, words)), checksum })
}

/** Somebody who can write there could have us write through a link of theirs. */
export function assertOwn(world: World, { directory }: Places): void {
  const stat = world.files.stat(directory)
  if (stat !== undefined) assertOnlyOwnerWrites(world, directory, stat, 'the cache directory')
}
