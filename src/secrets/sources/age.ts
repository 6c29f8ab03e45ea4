import type { World } from '../../world.ts'
import { dearmor, decryptAge, recipientKinds } from '../age/decrypt.ts'
import { readEncryptedFile } from '../age/encrypted-file.ts'
import { Keyring } from '../age/keyring.ts'
import { asLaunchError, Refusal } from '../age/refusal.ts'
import { resolvePath } from '../path.ts'
import { Secret } from '../secret.ts'
import type { Outcome, Source } from '../source.ts'
import { textOf } from '../text.ts'

/**
 * `age:FILE`: the whole decrypted file as text, less one final newline (agenix).
 * The identities are those that SOPS would find (`SOPS_AGE_KEY`, `SOPS_AGE_KEY_FILE`, `SOPS_AGE_KEY_CMD`, `keys.txt`):
 * age itself has no place for them, and one place for both kinds of files is enough to explain.
 */
export function ageSource(world: World, baseDirectory: string): Source {
  return {
    async resolve(refs, deadline) {
      const keyring = new Keyring(world, deadline)
      const files = new Map<string, Promise<Outcome>>()
      const outcomes = new Map<string, Outcome>()
      const work = refs.map(async (ref) => {
        if (ref.kind !== 'age') return
        const outcome = files.get(ref.file) ?? openFile(world, baseDirectory, ref.file, keyring)
        files.set(ref.file, outcome)
        outcomes.set(ref.text, await outcome)
      })
      await Promise.all(work)
      return outcomes
    },
  }
}

async function openFile(world: World, baseDirectory: string, file: string, keyring: Keyring): Promise<Outcome> {
  let path = file
  try {
    path = resolvePath(world, baseDirectory, file)
    const text = textOf(await decryptWith(keyring, readEncryptedFile(world, path)))
    if (text === undefined) throw new Refusal('what it holds is not text (UTF-8)', 'store it encoded (base64)')
    if (text === '') throw new Refusal('what it holds is empty', 'encrypt the secret again')
    return new Secret(text)
  } catch (error) {
    return asLaunchError(path, error)
  }
}

async function decryptWith(keyring: Keyring, file: Uint8Array): Promise<Uint8Array> {
  const binary = dearmor(file)
  if (binary === undefined) throw new Refusal('it is not an age file', 'encrypt it: age -r RECIPIENT -o FILE')
  const kinds = recipientKinds(binary)
  if (!kinds.some((kind) => kind === 'X25519' || kind === 'mlkem768x25519')) {
    throw new Refusal(
      `it can only be opened with ${kinds.map(kindWords).join(', ') || 'nothing'}`,
      'encrypt it for an age key (age-keygen) as well',
    )
  }
  let tried = 0
  for await (const key of keyring.keys([])) {
    tried += 1
    const opened = await decryptAge(binary, key)
    if (opened.kind === 'opened') return opened.bytes
    if (opened.kind === 'damaged') throw new Refusal('it was changed or cut off', 'restore it from a backup')
  }
  throw keyring.failure(tried, [])
}

function kindWords(kind: string): string {
  if (kind === 'scrypt') return 'a passphrase'
  return kind.startsWith('ssh-') ? 'an SSH key' : `the age plugin for ${kind}`
}
