import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

const SRC = join(import.meta.dirname, '..', '..', '..', 'src')

/** What each program can use: `load` of a source file, a `world` of this home, and `words`, its arguments. */
const PRELUDE = `
  const load = (file) => import(${JSON.stringify(`${SRC}/`)} + file)
  const words = process.argv.slice(1)
  const { realWorld } = await load('real-world.ts')
  const world = realWorld()
`

/** Starts a Node process of its own that runs this; killed at the test's end if it is still there. */
export function startProcess(home: string, program: string, ...words: string[]): ChildProcess {
  const child = spawn(process.execPath, ['--input-type=module', '-e', PRELUDE + program, ...words], {
    env: { HOME: home, PATH: process.env['PATH'] },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

/** Runs this many processes at once, each with its number as its first word. Their outputs, trimmed. */
export function parallel(count: number, home: string, program: string, ...words: string[]): Promise<string[]> {
  return Promise.all(
    Array.from({ length: count }, (_, index) => output(startProcess(home, program, String(index), ...words))),
  )
}

/** Waits for the end; the output, and how it ended if that wasn't with 0. */
export function output(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString()
    })
    child.on('close', (code, signal) => resolve(`${text}${code === 0 ? '' : (signal ?? code)}`.trim()))
  })
}
