/**
 * The schema's own messages: a predicate that follows the key's name (`must be …`), and a hint after a line break.
 * zod carries one string from a check to its issue; `issues.ts` takes it apart again.
 */
export function words(why: string, hint?: string): string {
  return hint === undefined ? why : `${why}\n${hint}`
}

export function splitWords(message: string): { readonly why: string; readonly hint: string | undefined } {
  const [why = '', hint] = message.split('\n')
  return { why, hint }
}
