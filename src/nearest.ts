const MOST_SUGGESTIONS = 3
/** Real keys and server names are shorter; comparing costs the product of both lengths. */
const LONGEST_WORD = 64

/**
 * The candidates that `word` is likely a slip of, best first, at most three.
 * A third of the letters may be wrong; case and the marks `-_.` and spaces don't count, so `memory_max` is `memoryMax`.
 */
export function nearest(word: string, candidates: Iterable<string>): string[] {
  const wanted = bare(word)
  const found: { candidate: string; distance: number }[] = []
  for (const candidate of candidates) {
    const other = bare(candidate)
    const length = Math.max(wanted.length, other.length)
    const allowed = Math.min(3, Math.floor(length / 3))
    if (length === 0 || length > LONGEST_WORD || Math.abs(wanted.length - other.length) > allowed) continue
    const distance = editDistance(wanted, other)
    if (distance <= allowed) found.push({ candidate, distance })
  }
  found.sort((a, b) => a.distance - b.distance || (a.candidate < b.candidate ? -1 : 1))
  return found.slice(0, MOST_SUGGESTIONS).map(({ candidate }) => candidate)
}

/** The hint for a word that nobody knows, or undefined if nothing is near. */
export function didYouMean(word: string, candidates: Iterable<string>): string | undefined {
  const words = nearest(word, candidates).map((candidate) => `"${candidate}"`)
  const last = words.pop()
  if (last === undefined) return undefined
  return words.length === 0 ? `did you mean ${last}?` : `did you mean ${words.join(', ')} or ${last}?`
}

function bare(word: string): string {
  return word.toLowerCase().replace(/[-_.\s]/g, '')
}

/** Damerau-Levenshtein in its optimal string alignment form: insert, delete, replace, swap neighbours, each costs 1. */
export function editDistance(from: string, to: string): number {
  const rows = [Array.from({ length: to.length + 1 }, (_, column) => column)]
  const cell = (row: number, column: number): number => rows[row]?.[column] ?? Number.POSITIVE_INFINITY
  for (let row = 1; row <= from.length; row++) {
    rows[row] = [row]
    for (let column = 1; column <= to.length; column++) {
      const differs = from[row - 1] === to[column - 1] ? 0 : 1
      const isSwap = from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]
      const replaced = cell(row - 1, column - 1) + differs
      const swapped = isSwap ? cell(row - 2, column - 2) + 1 : Number.POSITIVE_INFINITY
      rows[row]?.push(Math.min(cell(row - 1, column) + 1, cell(row, column - 1) + 1, replaced, swapped))
    }
  }
  return cell(from.length, to.length)
}
