import { LaunchError } from '../../errors.ts'
import type { World } from '../../world.ts'
import type { Deadline } from '../source.ts'
import { defaultKeyFiles, type KeyPlace, keyPlaces } from './key-places.ts'
import { type Key, parseKeys } from './key-text.ts'
import { Refusal } from './refusal.ts'

/**
 * The user's age identities, read place by place and only as far as they are needed, each place once however many
 * files ask. A place that can't be read doesn't hide the next one: what was wrong with it is told if no key fits.
 */
export class Keyring {
  readonly #places: readonly KeyPlace[]
  readonly #defaultFile: string | undefined
  readonly #deadline: Deadline
  readonly #read = new Map<string, Promise<readonly Key[]>>()
  readonly #problems: LaunchError[] = []
  readonly #unusable: string[] = []

  constructor(world: World, deadline: Deadline) {
    this.#places = keyPlaces(world)
    this.#defaultFile = defaultKeyFiles(world)[0]
    this.#deadline = deadline
  }

  /** Every identity once, in SOPS's order of places. `recipients` are the file's, for a place that wants to know. */
  async *keys(recipients: readonly string[]): AsyncGenerator<Key> {
    const seen = new Set<string>()
    for (const place of this.#places) {
      const questions = place.asksByRecipient && recipients.length > 0 ? recipients : [undefined]
      for (const recipient of questions) {
        for (const key of await this.#keysOf(place, recipient)) {
          if (seen.has(key.identity)) continue
          seen.add(key.identity)
          yield key
        }
      }
    }
  }

  /** What was found that only the `sops` program could use: `an SSH key in SOPS_AGE_KEY_FILE`. */
  get unusable(): readonly string[] {
    return this.#unusable
  }

  /**
   * Why `tried` identities didn't open a file: the trouble that a place had, else that there are none, else that none
   * of them fits, in which case `recipients` says whose key would.
   */
  failure(tried: number, recipients: readonly string[]): Refusal | LaunchError {
    const problem = this.#problems.find((error) => error.code === 'unavailable') ?? this.#problems[0]
    if (problem !== undefined) return problem
    const place = this.#defaultFile ?? 'the file that SOPS_AGE_KEY_FILE names'
    const unusable = this.#unusable.length === 0 ? '' : ` (${this.#unusable.join(', ')} can't be used here)`
    if (tried === 0) {
      return new Refusal(
        `no age key found in ${this.#places.map(({ name }) => name).join(', ')}${unusable}`,
        `put your age key into ${place} (chmod 600)`,
      )
    }
    const whose = recipients.length === 0 ? '' : `: it is for ${recipients.join(', ')}`
    return new Refusal(
      `${tried === 1 ? 'the age key found does not open it' : `none of the ${tried} age keys found opens it`}${whose}${unusable}`,
      `add a key that it is encrypted for to ${place}, or have it encrypted for yours`,
    )
  }

  #keysOf(place: KeyPlace, recipient: string | undefined): Promise<readonly Key[]> {
    const question = `${place.name}\n${recipient ?? ''}`
    const keys = this.#read.get(question) ?? this.#readKeys(place, recipient)
    this.#read.set(question, keys)
    return keys
  }

  async #readKeys(place: KeyPlace, recipient: string | undefined): Promise<readonly Key[]> {
    try {
      const text = await place.read(recipient, this.#deadline)
      if (text === undefined) return []
      const { keys, unusable, malformedLines } = await parseKeys(text, place.layout)
      this.#unusable.push(...unusable.map((kind) => `${kind} in ${place.name}`))
      const [line] = malformedLines
      if (line !== undefined) this.#problems.push(malformed(place.name, line))
      return keys
    } catch (error) {
      if (!(error instanceof LaunchError)) throw error
      this.#problems.push(error)
      return []
    }
  }
}

function malformed(place: string, line: number): LaunchError {
  return new LaunchError('failure', {
    what: "can't use the age key in",
    subject: place,
    why: `line ${line} is not an age identity`,
    hint: 'it must be one AGE-SECRET-KEY-… to a line, as age-keygen writes it, or a comment',
  })
}
