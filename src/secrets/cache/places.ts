import { cacheDirectory, stateDirectory } from '../../directories.ts'
import type { World } from '../../world.ts'

/** Where the cache keeps its things. */
export interface Places {
  readonly directory: string
  /** The values, an age file. */
  readonly values: string
  /** Times, states and the checksum of `values`; never a value. */
  readonly meta: string
  /** Who writes the two. Who fetches has a lock of its own (`question.ts`). */
  readonly lock: string
  /** 32 random bytes, without which `values` can't be read. */
  readonly machineKey: string
}

export function places(world: World): Places {
  const directory = cacheDirectory(world)
  return {
    directory,
    values: `${directory}/secrets.enc`,
    meta: `${directory}/secrets.meta`,
    lock: `${directory}/secrets.lock`,
    machineKey: `${stateDirectory(world)}/machine.key`,
  }
}
