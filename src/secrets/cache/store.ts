import { LaunchError } from '../../errors.ts'
import { type Lock, sweep } from '../../lock.ts'
import { assertOnlyOwnerWrites } from '../../permissions.ts'
import type { World } from '../../world.ts'
import { cacheError } from './cache-error.ts'
import { type OnDamage, openIdentity } from './identity.ts'
import { type Meta, readMeta, readWritten, writeMeta } from './meta.ts'
import { type Places, places } from './places.ts'
import { pruned } from './prune.ts'
import { encryptValues, readValues, setAside, type Values } from './values.ts'
import { mapDetails, sealed, unsealed } from './words.ts'

/** The two files of the cache, opened. */
export interface Store {
  readonly places: Places
  /** The values as they are on the disk now; none if they can't be read. */
  readValues(): Promise<Values>
  readMeta(): Meta
  /**
   * Writes both, the values first: a crash between the two leaves new values with old states, which is harmless.
   * What is of no use any more is left out, what could not be read before is set aside, and what killed writers left is removed. Throws LaunchError if they
   * can't be written, or if the lock (`places.lock`) was lost meanwhile: what is there by then is younger.
   */
  write(values: Values, meta: Meta, lock: Pick<Lock, 'isOurs'>): Promise<void>
}

/** Opens the cache, or tells why it can't be used: a home that can't be written, a key that others can read. */
export async function openStore(world: World, onDamage: OnDamage): Promise<Store | LaunchError> {
  try {
    const where = places(world)
    world.files.makeDirectory(where.directory)
    assertOwn(world, where)
    const identity = await openIdentity(world, where, onDamage)
    return {
      places: where,
      async readValues() {
        const reading = await readValues(world, where, identity)
        return reading.kind === 'values' ? reading.values : new Map()
      },
      readMeta: () => mapDetails(readMeta(world, where), (sealed) => unsealed(world, identity, sealed)),
      async write(values, meta, lock) {
        try {
          await write(world, where, identity, { values, meta, lock, onDamage })
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
  { values, meta, lock, onDamage }: { values: Values; meta: Meta; lock: Pick<Lock, 'isOurs'>; onDamage: OnDamage },
): Promise<void> {
  const useful = pruned(world, values, meta)
  const reading = await readValues(world, where, identity)
  const before = [readWritten(world, where)?.writtenAt, reading.kind === 'values' ? reading.writtenAt : undefined]
  const writtenAt = Math.max(world.now(), ...before.map((time = 0) => time + 1))
  const file = await encryptValues(identity, useful.values, writtenAt)
  if (!lock.isOurs())
    throw new LaunchError('unavailable', { what: "can't use the cache", why: 'it was written meanwhile' })
  sweep(world, where.lock, [where.values, where.meta])
  if (reading.kind === 'damaged') {
    setAside(world, where)
    onDamage(where.values, reading.why)
  }
  world.files.makeDirectory(where.directory)
  world.files.writeWhole(where.values, file)
  const sealedMeta = mapDetails(useful.meta, (words) => sealed(world, identity, words))
  writeMeta(world, where, { ...sealedMeta, checksum: world.sha256(file), writtenAt })
}

/** Somebody who can write there could have us write through a link of theirs. */
export function assertOwn(world: World, { directory }: Places): void {
  const stat = world.files.stat(directory)
  if (stat !== undefined) assertOnlyOwnerWrites(world, directory, stat, 'the cache directory')
}
