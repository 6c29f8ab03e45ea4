import { dirname } from 'node:path'
import { stateDirectory } from '../../directories.ts'
import { LaunchError } from '../../errors.ts'
import { assertOnlyOwnerReads } from '../../permissions.ts'
import type { World } from '../../world.ts'
import { hkdf } from './hkdf.ts'
import type { Places } from './places.ts'

const KEY_BYTES = 32
const PURPOSE = 'mcp-launch cache identity v1'

/**
 * The X25519 scalar that opens the cache, derived (HKDF-SHA-256) from a local random key and the machine's id: neither
 * a copied home directory nor a stolen machine id is enough.
 *
 * @returns undefined if there is no key yet.
 * @throws LaunchError if the key can be read by others or isn't a key.
 */
export async function readIdentity(world: World, places: Places): Promise<Uint8Array | undefined> {
  const stat = world.files.stat(places.machineKey)
  if (stat === undefined) return undefined
  assertOnlyOwnerReads(world, places.machineKey, stat, 'the machine key')
  const key = world.files.read(places.machineKey)
  if (key.length !== KEY_BYTES) throw notAKey(places)
  return hkdf(world, key, Buffer.from(await machineId(world)), PURPOSE)
}

/** The same, with a key made first if there is none. Of several that make one at once, one wins and all use it. */
export async function openIdentity(world: World, places: Places): Promise<Uint8Array> {
  const identity = await readIdentity(world, places)
  if (identity !== undefined) return identity
  world.files.makeDirectory(stateDirectory(world))
  try {
    world.files.createWhole(places.machineKey, world.randomBytes(KEY_BYTES), { durable: true })
  } catch (error) {
    if (world.files.stat(places.machineKey) === undefined) throw error
  }
  const made = await readIdentity(world, places)
  if (made === undefined) throw notAKey(places)
  return made
}

function notAKey(places: Places): LaunchError {
  return new LaunchError('failure', {
    what: 'refusing the machine key',
    subject: places.machineKey,
    why: `it is no key of ${KEY_BYTES} bytes`,
    hint: `remove it, and a new one will be made: rm -r ${dirname(places.machineKey)}/machine.key`,
  })
}

const MACHINE_ID_FILES = ['/etc/machine-id', '/var/lib/dbus/machine-id']

/** machine-id(5); on macOS the hardware UUID. A container without one has the key alone. */
async function machineId(world: World): Promise<string> {
  if (world.platform === 'darwin') return await hardwareUuid(world)
  for (const file of MACHINE_ID_FILES) {
    try {
      return world.files.read(file).toString('latin1').trim()
    } catch {
      // The next one.
    }
  }
  return 'no machine id'
}

async function hardwareUuid(world: World): Promise<string> {
  const file = '/usr/sbin/sysctl'
  const { stdout } = await world.processes.run({ file, args: ['-n', 'kern.uuid'], env: {}, cwd: '/', timeoutMs: 2_000 })
  return stdout.toString('latin1').trim()
}
