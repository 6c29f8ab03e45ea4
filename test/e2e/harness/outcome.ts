import type { Exit, Launched } from './launched.ts'

/** What a program printed and how it ended. */
export interface Outcome extends Exit {
  readonly stdout: string
  readonly stderr: string
}

/** Gives a program this input and then the end of input, and waits for its own end. */
export function outcome(launched: Launched, input = ''): Promise<Outcome> {
  launched.stdin.end(input)
  return ended(launched)
}

/** Waits for the end of a program that gets no input and no end of it. */
export async function ended(launched: Launched): Promise<Outcome> {
  const how = await launched.exited
  return { ...how, stdout: launched.stdout().toString(), stderr: launched.stderr() }
}
