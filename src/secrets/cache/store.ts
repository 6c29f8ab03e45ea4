import { errnoWords, LaunchError } from '../../errors.ts'
import type { World } from '../../world.ts'
import { openIdentity } from './identity.ts'
import { type Meta, readMeta, writeMeta } from './meta.ts'
import { type Places, places } from './places.ts'
import { readValues, setAside, type Values, writeValues } from './values.ts'

/** The two files of the cache, opened. */
export interface Store {
  readonly places: Places
  /** The values as they are on the disk now; none if they can't be read. */
  readValues(): Promise<Values>
  readMeta(): Meta
  /**
   * Writes both, the values first: a crash between the two leaves new values with old states, which is harmless.
   * What could not be read before is set aside. To be called under the lock.
   */
  write(values: Values, meta: Meta): Promise<void>
}

/** Told of damage: the audit log's business. */
export type OnDamage = (file: string, why: string) => void

/** Opens the cache, or tells why it can't be used: a home that can't be written, a key that others can read. */
export async function openStore(world: World, onDamage: OnDamage): Promise<Store | LaunchError> {
  try {
    const where = places(world)
    world.files.makeDirectory(where.directory)
    const identity = await openIdentity(world, where)
    return {
      places: where,
      async readValues() {
        const reading = await readValues(world, where, identity)
        if (reading.kind === 'damaged') onDamage(where.values, reading.why)
        return reading.kind === 'values' ? reading.values : new Map()
      },
      readMeta: () => readMeta(world, where),
      async write(values, meta) {
        const { kind } = await readValues(world, where, identity)
        if (kind === 'damaged') setAside(world, where)
        writeMeta(world, where, { ...meta, checksum: await writeValues(world, where, identity, values) })
      },
    }
  } catch (error) {
    if (error instanceof LaunchError) return error
    return new LaunchError('failure', {
      what: "can't use the cache",
      why: errnoWords(error),
      hint: 'secrets are asked for at every start until it can be written',
      cause: error,
    })
  }
}
