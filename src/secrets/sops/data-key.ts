import { dearmor, decryptAge } from '../age/decrypt.ts'
import type { Keyring } from '../age/keyring.ts'
import { Refusal } from '../age/refusal.ts'
import { NeedsSopsProgram } from './hand-over.ts'
import type { AgeKey, Metadata } from './metadata.ts'

const DATA_KEY_BYTES = 32
const OWN_KINDS = /^age1(?:pq1)?[02-9ac-hj-np-z]+$/

/**
 * The key that a file's leaves are encrypted with. It stands in the file once for each recipient; whichever identity
 * opens one of them will do. Says `NeedsSopsProgram` if only a key of another kind could.
 */
export async function openDataKey(metadata: Metadata, keyring: Keyring): Promise<Buffer> {
  if (metadata.hasKeyGroups) throw new NeedsSopsProgram('it has key groups')
  if (metadata.ageKeys.length === 0)
    throw new NeedsSopsProgram(`only a ${metadata.otherKeys.join(' or ')} key opens it`)
  const recipients = metadata.ageKeys.map(({ recipient }) => recipient)
  let damaged: string | undefined
  let tried = 0
  for await (const key of keyring.keys(recipients)) {
    tried += 1
    const own = metadata.ageKeys.filter(({ recipient }) => recipient === key.recipient)
    const others = metadata.ageKeys.filter(({ recipient }) => recipient !== key.recipient)
    for (const candidate of [...own, ...others]) {
      const dataKey = await openOne(candidate, key)
      if (dataKey !== undefined) return dataKey
    }
    damaged ??= own[0]?.recipient
  }
  if (damaged !== undefined) throw new Refusal(`its data key for ${damaged} is damaged`, 'restore it from a backup')
  const reason = foreignKeys(metadata, keyring)
  if (reason !== undefined) throw new NeedsSopsProgram(reason)
  throw keyring.failure(tried, recipients)
}

async function openOne({ encrypted }: AgeKey, key: Parameters<typeof decryptAge>[1]): Promise<Buffer | undefined> {
  const file = dearmor(Buffer.from(encrypted))
  if (file === undefined) return undefined
  const opened = await decryptAge(file, key)
  return opened.kind === 'opened' && opened.bytes.length === DATA_KEY_BYTES ? opened.bytes : undefined
}

/** What else might open the file that only the `sops` program can use. */
function foreignKeys(metadata: Metadata, keyring: Keyring): string | undefined {
  if (metadata.otherKeys.length > 0) return `no age key opens it, only a ${metadata.otherKeys.join(' or ')} key`
  if (metadata.ageKeys.some(({ recipient }) => !OWN_KINDS.test(recipient))) {
    return 'no age key opens it, only an SSH key or an age plugin'
  }
  const [unusable] = keyring.unusable
  return unusable === undefined ? undefined : `no other key opens it than perhaps ${unusable}`
}
