import { LaunchError } from '../../errors.ts'
import type { World } from '../../world.ts'
import { Secret } from '../secret.ts'
import type { Deadline, Outcome } from '../source.ts'
import type { Connect, Connection, TokenSource } from './connection.ts'
import { noAnswer, requestFailure } from './request-failures.ts'

/** `setTimeout` takes no more, and waits a millisecond for what is longer. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1

/**
 * Signs in and asks one question. Why there is no answer comes as a value; it never rejects.
 *
 * The SDK can't be cut off: after the deadline its request goes on, nobody looks at its end, and it keeps the event
 * loop alive. A process that has nothing else to do must end itself.
 */
export async function ask<T>(
  world: World,
  token: TokenSource,
  connect: Connect,
  deadline: Deadline,
  question: (connection: Connection) => Promise<T>,
): Promise<T | LaunchError> {
  const waitMs = Math.min(deadline - world.now(), LONGEST_TIMEOUT_MS)
  if (waitMs <= 0) return noAnswer(0)
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<LaunchError>((resolve) => {
    timer = setTimeout(() => resolve(noAnswer(waitMs)), waitMs)
  })
  try {
    return await Promise.race([answer(() => token(deadline), connect, question), late])
  } finally {
    clearTimeout(timer)
  }
}

async function answer<T>(
  token: () => Promise<Outcome>,
  connect: Connect,
  question: (connection: Connection) => Promise<T>,
): Promise<T | LaunchError> {
  const found = await token()
  if (!(found instanceof Secret)) return found
  const text = found.reveal()
  try {
    return await question(await connect(text))
  } catch (thrown) {
    return thrown instanceof LaunchError ? thrown : requestFailure(thrown, text)
  }
}
