import { LaunchError } from '../../errors.ts'
import type { World } from '../../world.ts'
import { Keyring } from '../age/keyring.ts'
import { asLaunchError } from '../age/refusal.ts'
import { resolvePath } from '../path.ts'
import { openSopsFile, type SopsFile } from '../sops/open.ts'
import { type Target, valueAt } from '../sops/pointer.ts'
import type { Deadline, Outcome, Source } from '../source.ts'

/**
 * `sops:FILE#/json/pointer`: a value of a SOPS file that an age key opens, else one that the `sops` program opens.
 * A file is read and decrypted once per `resolve`, the files side by side. All references into a file that can't be
 * opened get the *same* error object, so that it can be reported once.
 */
export function sopsSource(world: World, baseDirectory: string): Source {
  return {
    async resolve(refs, deadline) {
      const keyring = new Keyring(world, deadline)
      const files = new Map<string, Promise<SopsFile | LaunchError>>()
      const outcomes = new Map<string, Outcome>()
      const work = refs.map(async (ref) => {
        if (ref.kind !== 'sops') return
        const file = files.get(ref.file) ?? open(world, baseDirectory, ref.file, keyring, deadline)
        files.set(ref.file, file)
        outcomes.set(ref.text, outcome(await file, ref))
      })
      await Promise.all(work)
      return outcomes
    },
  }
}

async function open(
  world: World,
  baseDirectory: string,
  file: string,
  keyring: Keyring,
  deadline: Deadline,
): Promise<SopsFile | LaunchError> {
  let path = file
  try {
    path = resolvePath(world, baseDirectory, file)
    return await openSopsFile(world, path, keyring, deadline)
  } catch (error) {
    return asLaunchError(path, error)
  }
}

function outcome(file: SopsFile | LaunchError, target: Target): Outcome {
  if (file instanceof LaunchError) return file
  try {
    return valueAt(file, target)
  } catch (error) {
    if (error instanceof LaunchError) return error
    throw error
  }
}
