import { describe } from 'vitest'

/** A suite that is skipped for this reason, which its name tells; run where there is none. */
export function describeUnless(reason: string | undefined, name: string, body: () => void): void {
  if (reason === undefined) describe(name, body)
  else describe.skip(`${name} (skipped: ${reason})`, body)
}
