import { identityToRecipient } from 'age-encryption'

/** An age identity that can be used here: X25519 or post-quantum. */
export interface Key {
  readonly identity: string
  readonly recipient: string
}

export interface KeyText {
  readonly keys: readonly Key[]
  /** What is there but can't be used here, in the user's words: `an age plugin's key`. */
  readonly unusable: readonly string[]
  /** The lines, from 1, that are no key at all. */
  readonly malformedLines: readonly number[]
}

/**
 * Reads age identities: one a line, or in the words of a line (`SOPS_AGE_KEY`), with comments and blank lines.
 * SSH keys and age key files with a passphrase are seen and not used: the `sops` program can.
 */
export async function parseKeys(text: string, layout: 'lines' | 'words'): Promise<KeyText> {
  const whole = wholeFileKind(text)
  if (whole !== undefined) return { keys: [], unusable: [whole], malformedLines: [] }
  const keys: Key[] = []
  const unusable: string[] = []
  const malformedLines: number[] = []
  for (const [index, line] of text.split('\n').entries()) {
    for (const word of wordsOf(line, layout)) {
      if (word.startsWith('AGE-PLUGIN-')) {
        unusable.push("an age plugin's key")
        continue
      }
      const key = await parseKey(word)
      if (key === undefined) malformedLines.push(index + 1)
      else keys.push(key)
    }
  }
  return { keys, unusable, malformedLines }
}

function wordsOf(line: string, layout: 'lines' | 'words'): readonly string[] {
  const trimmed = line.trim()
  if (trimmed === '' || trimmed.startsWith('#')) return []
  return layout === 'words' ? trimmed.split(/\s+/) : [trimmed]
}

function wholeFileKind(text: string): string | undefined {
  if (text.startsWith('age-encryption') || text.startsWith('-----BEGIN AGE')) return 'a key file with a passphrase'
  return /^\s*-----BEGIN [A-Z ]*PRIVATE KEY/.test(text) ? 'an SSH key' : undefined
}

/** The library's error would hold the identity itself, so that it ends here. */
async function parseKey(identity: string): Promise<Key | undefined> {
  if (!identity.startsWith('AGE-SECRET-KEY-')) return undefined
  try {
    return { identity, recipient: await identityToRecipient(identity) }
  } catch {
    return undefined
  }
}
