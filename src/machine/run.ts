import type { ChildProcess } from 'node:child_process'
import type { Finished, Program } from '../world.ts'
import { builtin } from './builtin.ts'
import { watchGroup } from './group-watch.ts'

const OUTPUT_LIMIT_BYTES = 4 * 1024 * 1024

/** What a program wrote last is there by then, if it has ended and another one holds its stdout. */
const QUIET_MS = 200

export async function run(program: Program): Promise<Finished> {
  hideStderr()
  const watch = program.endsWithUs === true ? watchGroup() : undefined
  try {
    return await runWatched(program, (pid) => watch?.begin(pid))
  } finally {
    await watch?.end()
  }
}

function runWatched(program: Program, onStarted: (pid: number) => void): Promise<Finished> {
  return new Promise((resolve) => {
    const stdout: Buffer[] = []
    const stderr: Buffer[] = []
    let bytes = 0
    const child = start(program)
    if (child.pid !== undefined) onStarted(child.pid)
    const finish = (end: Finished['end']): void => {
      clearTimeout(timer)
      clearTimeout(quiet)
      child.stdout?.destroy()
      child.stderr?.destroy()
      // Not when it has ended: a program that became another user's (sudo) can't be killed, and isn't waited for.
      child.unref()
      resolve({ stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString(), end })
    }
    const cutOff = (why: 'timeout' | 'too-much-output'): void => {
      killGroup(child.pid)
      finish({ kind: why })
    }
    const timer = setTimeout(cutOff, program.timeoutMs, 'timeout')
    const collect = (into: Buffer[]) => (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > OUTPUT_LIMIT_BYTES) cutOff('too-much-output')
      else into.push(chunk)
    }
    child.stdout?.on('data', collect(stdout))
    child.stderr?.on('data', collect(stderr))
    child.on('error', (error: NodeJS.ErrnoException) => finish({ kind: 'not-started', errno: error.code ?? 'unknown' }))
    child.on('close', (code, signal) => finish(endOf(code, signal)))
    let quiet: NodeJS.Timeout | undefined
    const whenQuiet = (then: () => void): void => {
      const before = bytes
      // Immediates come after input: a machine that was busy meanwhile may have output waiting.
      const look = (): unknown => setImmediate(() => (bytes === before ? then() : whenQuiet(then)))
      quiet = setTimeout(look, QUIET_MS)
    }
    // What it left running in the background (an agent, say) may hold its stdout for ever.
    child.on('exit', (code, signal) => whenQuiet(() => finish(endOf(code, signal))))
  })
}

function start(program: Program): ChildProcess {
  const { spawn } = builtin<typeof import('node:child_process')>('node:child_process')
  const child = spawn(program.file, [...program.args], {
    cwd: program.cwd,
    env: { ...program.env },
    stdio: [program.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    detached: true,
  })
  if (program.input !== undefined) {
    // A program that doesn't read its input isn't a failure here: its exit status tells.
    child.stdin?.on('error', () => {})
    child.stdin?.end(program.input)
  }
  return child
}

function endOf(code: number | null, signal: string | null): Finished['end'] {
  return code === null ? { kind: 'signal', signal: signal ?? 'unknown' } : { kind: 'exit', code }
}

/**
 * Node compares every socket that it closes, those of a child too, with `process.stderr`, and so makes it; made, it
 * leaves a pipe or socket there non-blocking for the server. Nothing here writes to it: see `terminal`. Bun makes it
 * when it is hidden, and only then.
 */
function hideStderr(): void {
  if (process.versions['bun'] === undefined)
    Object.defineProperty(process, 'stderr', { value: { write: () => true }, configurable: true })
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It has ended by itself, or is another user's.
  }
}
