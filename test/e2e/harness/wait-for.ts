import { setTimeout as pause } from 'node:timers/promises'

const POLL_MS = 10

type Falsy = false | null | undefined | 0 | ''

/**
 * Asks until the answer is truthy, and returns it. An exception counts as "not yet".
 * @throws after `limitMs` (10 s), an error that says what was awaited; the last exception is its cause.
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  { what, limitMs = 10_000 }: { what: string; limitMs?: number },
): Promise<Exclude<T, Falsy>> {
  const deadline = performance.now() + limitMs
  let cause: unknown
  do {
    try {
      const answer = await condition()
      if (answer) return answer as Exclude<T, Falsy>
      cause = undefined
    } catch (error) {
      cause = error
    }
    await pause(POLL_MS)
  } while (performance.now() < deadline)
  throw new Error(`waited ${limitMs} ms in vain for ${what}`, { cause })
}
