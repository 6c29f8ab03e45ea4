/** Offsets of a text as lines and columns. */
export class Lines {
  readonly #starts: number[] = [0]

  constructor(text: string) {
    for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) this.#starts.push(at + 1)
  }

  /** `7:5`, both counted from 1, as editors do. */
  place(offset: number): string {
    let [low, high] = [0, this.#starts.length]
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if ((this.#starts[middle] ?? 0) <= offset) low = middle
      else high = middle
    }
    return `${low + 1}:${offset - (this.#starts[low] ?? 0) + 1}`
  }
}
