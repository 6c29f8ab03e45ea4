import { stateDirectory } from '../../directories.ts'
import { errnoOf, LaunchError } from '../../errors.ts'
import { waitForLock } from '../../lock.ts'
import { assertOnlyOwnerReads, assertOnlyOwnerWrites, shellWord } from '../../permissions.ts'
import type { FileStat, World } from '../../world.ts'
import { hkdf } from './hkdf.ts'
import type { Places } from './places.ts'

const KEY_BYTES = 32
/** Setting a key aside takes less than a millisecond. */
const PATIENCE_MS = 1_000
const PURPOSE = 'mcp-launch cache identity v1'

/** Told of damage, once, by who sets it aside: the audit log's business. */
export type OnDamage = (file: string, why: string) => void

/**
 * The X25519 scalar that opens the cache, derived (HKDF-SHA-256) from a local random key and the machine's id: neither
 * a copied home directory nor a stolen machine id is enough.
 *
 * @returns undefined if there is no key, or none of the right size.
 * @throws LaunchError if the key can be read by others, or the machine's id can't be had.
 */
export async function readIdentity(world: World, places: Places): Promise<Uint8Array | undefined> {
  const stat = world.files.stat(places.machineKey)
  if (stat === undefined || isDamaged(stat)) return undefined
  assertOnlyOwnerReads(world, places.machineKey, stat, 'the machine key')
  const key = world.files.read(places.machineKey)
  return hkdf(world, key, Buffer.from(await machineId(world)), PURPOSE)
}

/**
 * The same, with a key made first if there is none; what is no key is set aside. Of several that make one at once, one
 * wins and all use it. Refused where others could put theirs in its place.
 */
export async function openIdentity(world: World, places: Places, onDamage: OnDamage): Promise<Uint8Array> {
  const directory = stateDirectory(world)
  const stat = world.files.stat(directory)
  if (stat !== undefined) assertOnlyOwnerWrites(world, directory, stat, 'the state directory')
  const identity = await readIdentity(world, places)
  if (identity !== undefined) return identity
  world.files.makeDirectory(directory)
  await setAsideDamaged(world, places, onDamage)
  try {
    world.files.createWhole(places.machineKey, world.randomBytes(KEY_BYTES), { durable: true })
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error
  }
  const made = await readIdentity(world, places)
  if (made === undefined) throw notAKey(places)
  return made
}

function isDamaged({ kind, size }: FileStat): boolean {
  return kind !== 'file' || size !== KEY_BYTES
}

/** Under a lock: of several that find a damaged key none may set aside what another has put in its place. */
async function setAsideDamaged(world: World, { machineKey }: Places, onDamage: OnDamage): Promise<void> {
  const isToGo = (): boolean => {
    const stat = world.files.stat(machineKey)
    return stat !== undefined && isDamaged(stat)
  }
  if (!isToGo()) return
  const lock = await waitForLock(world, `${machineKey}.lock`, world.now() + PATIENCE_MS)
  if (lock === undefined) return
  try {
    if (!isToGo()) return
    world.files.remove(`${machineKey}.damaged`)
    world.files.rename(machineKey, `${machineKey}.damaged`)
    onDamage(machineKey, `it is no key of ${KEY_BYTES} bytes`)
  } finally {
    lock.release()
  }
}

/** A link to nowhere, mostly: its target may come back, so that it isn't ours to set aside. */
function notAKey({ machineKey }: Places): LaunchError {
  return new LaunchError('failure', {
    what: 'refusing the machine key',
    subject: machineKey,
    why: 'it is a link to nowhere, or no key',
    hint: `remove it, and a new one will be made: rm -r ${shellWord(machineKey)}`,
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

const UUID = /^[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}$/i

/** Without it the cache would count as damaged, so that a slow program is no reason to go on. */
async function hardwareUuid(world: World): Promise<string> {
  const file = '/usr/sbin/sysctl'
  const args = ['-n', 'kern.uuid']
  const { stdout, end } = await world.processes.run({ file, args, env: {}, cwd: '/', timeoutMs: 2_000 })
  const uuid = stdout.toString('latin1').trim()
  if (end.kind === 'exit' && end.code === 0 && UUID.test(uuid)) return uuid
  throw new LaunchError('failure', {
    what: "can't use the cache",
    why: `${file} -n kern.uuid doesn't tell this machine's id`,
    hint: 'secrets are asked for at every start until it does',
  })
}
