const REDACTED = '[redacted]'

/**
 * A secret value in a box that prints as `[redacted]`, whichever way it is printed.
 * `reveal()` is called where the server's environment is built and where the cache is written, and nowhere else;
 * a test holds the source to that.
 */
export class Secret {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
  }

  reveal(): string {
    return this.#value
  }

  /** One box for many named values; {@link toMap} opens it again. */
  static ofMap(values: ReadonlyMap<string, Secret>): Secret {
    return new Secret(JSON.stringify([...values].map(([name, secret]) => [name, secret.#value])))
  }

  /** The named values of a box that {@link ofMap} made. */
  toMap(): Map<string, Secret> {
    const pairs = JSON.parse(this.#value) as [string, string][]
    return new Map(pairs.map(([name, value]) => [name, new Secret(value)]))
  }

  equals(other: Secret): boolean {
    return this.#value === other.#value
  }

  /** Looks into the value without letting it out. */
  includes(text: string): boolean {
    return this.#value.includes(text)
  }

  /** Tells this value from another without showing either: the beginning of its hash. */
  fingerprint(hash: (text: string) => string): string {
    return hash(this.#value).slice(0, 16)
  }

  get byteLength(): number {
    return Buffer.byteLength(this.#value)
  }

  toString(): string {
    return REDACTED
  }

  toJSON(): string {
    return REDACTED
  }

  /** What `util.inspect`, and so the console, shows, on Node and on Bun. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return REDACTED
  }
}
