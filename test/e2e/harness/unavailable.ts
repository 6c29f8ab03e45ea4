/** In the place of something that this machine doesn't have. */
export interface Unavailable {
  /** Why. */
  readonly unavailable: string
}

/** Why something isn't there; undefined if it is. */
export function reason(thing: object | Unavailable): string | undefined {
  return 'unavailable' in thing ? String(thing.unavailable) : undefined
}
