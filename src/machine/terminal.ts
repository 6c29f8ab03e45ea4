import * as fs from 'node:fs'
import { ClosedOutput, errnoOf, errnoWords, LaunchError } from '../errors.ts'
import type { Terminal } from '../world.ts'
import { builtin } from './builtin.ts'

export const terminal: Terminal = {
  get stdinIsTerminal() {
    return isTerminal(0)
  },
  get stdoutIsTerminal() {
    return isTerminal(1)
  },
  writeOut(text) {
    try {
      writeAll(1, text)
    } catch (cause) {
      if (errnoOf(cause) === 'EPIPE') throw new ClosedOutput('nobody reads stdout', { cause })
      throw new LaunchError('failure', { what: "can't write to stdout", why: errnoWords(cause), cause })
    }
  },
  writeError(text) {
    try {
      writeAll(2, text)
    } catch {
      // The client has closed it: nobody wants to know.
    }
  },
  readInput,
}

/** Not `process.stdin.isTTY`: touching `process.stdin` may leave a pipe non-blocking for the server. */
function isTerminal(descriptor: number): boolean {
  const { isatty } = builtin<typeof import('node:tty')>('node:tty')
  return isatty(descriptor)
}

/** A pipe that its other side made non-blocking may be full for a moment (EAGAIN). */
function writeAll(descriptor: number, text: string): void {
  let rest = Buffer.from(text)
  while (rest.length > 0) {
    try {
      rest = rest.subarray(fs.writeSync(descriptor, rest))
    } catch (error) {
      if (errnoOf(error) !== 'EAGAIN') throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
    }
  }
}

let input: AsyncIterator<Buffer> | undefined

/**
 * Not `fs.read`: while one waits, Node doesn't exit, and a client that says nothing would be waited for without end.
 * An input that breaks has come to its end.
 */
async function readInput(deadlineMs: number): Promise<Buffer | undefined | 'timeout'> {
  input ??= process.stdin[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  const next = input.next().then(
    ({ done, value }) => (done ? undefined : value),
    () => undefined,
  )
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<'timeout'>((resolve) => {
    timer = setTimeout(resolve, Math.max(0, deadlineMs - Date.now()), 'timeout')
  })
  try {
    return await Promise.race([next, timeout])
  } finally {
    clearTimeout(timer)
  }
}
