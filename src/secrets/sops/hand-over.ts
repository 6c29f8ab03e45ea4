/** Thrown where a file needs the `sops` program: not a failure yet. `reason` is the sentence that says so: `it has …`. */
export class NeedsSopsProgram extends Error {
  override readonly name = 'NeedsSopsProgram'
  readonly reason: string

  constructor(reason: string) {
    super(reason)
    this.reason = reason
  }
}
