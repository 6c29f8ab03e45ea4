import * as fs from 'node:fs'
import type { Terminal } from '../world.ts'

export const terminal: Terminal = {
  get stdinIsTerminal() {
    return isTerminal(0)
  },
  get stdoutIsTerminal() {
    return isTerminal(1)
  },
  writeOut: (text) => writeAll(1, text),
  writeError: (text) => writeAll(2, text),
  readInput,
}

/** Not `process.stdin.isTTY`: touching `process.stdin` may leave a pipe non-blocking for the server. */
function isTerminal(descriptor: number): boolean {
  const { isatty } = process.getBuiltinModule('node:tty')
  return isatty(descriptor)
}

/** A pipe that its other side made non-blocking may be full for a moment (EAGAIN). */
function writeAll(descriptor: number, text: string): void {
  let rest = Buffer.from(text)
  while (rest.length > 0) {
    try {
      rest = rest.subarray(fs.writeSync(descriptor, rest))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
    }
  }
}

function readInput(deadlineMs: number): Promise<Buffer | undefined | 'timeout'> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve('timeout'), Math.max(0, deadlineMs - Date.now()))
    const buffer = Buffer.alloc(65_536)
    const read = (): void => {
      fs.read(0, buffer, 0, buffer.length, null, (error, length) => {
        if (error?.code === 'EAGAIN' && Date.now() < deadlineMs) {
          setTimeout(read, 5)
          return
        }
        clearTimeout(timer)
        if (error) reject(error)
        else resolve(length === 0 ? undefined : buffer.subarray(0, length))
      })
    }
    read()
  })
}
