import { CHECK_MARK, type Environment, type Finished, type Processes, type Program } from '../world.ts'
import { builtin } from './builtin.ts'
import { beforeDeath } from './signals.ts'

const OUTPUT_LIMIT_BYTES = 4 * 1024 * 1024

export const processes: Processes = {
  canReplace: typeof process.execve === 'function',
  runtime: process.versions['bun'] === undefined ? `node ${process.versions.node}` : `bun ${process.versions['bun']}`,
  // A compiled executable has its own path in both; a script's is the second.
  self: process.argv[1]?.startsWith('/$bunfs/') ? [process.execPath] : [process.execPath, process.argv[1] ?? ''],
  isAlive(pid) {
    try {
      process.kill(pid, 0)
      return true
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'EPERM'
    }
  },
  signal(pid, signal) {
    try {
      process.kill(pid, signal)
    } catch {
      // It has ended by itself, or is another user's.
    }
  },
  startDetached,
  run,
  beforeDeath,
  replace({ file, argv, env, cwd }) {
    const { execve } = process
    if (execve === undefined) throw new Error('no process.execve')
    // One may be where one couldn't go.
    if (!isHere(cwd)) process.chdir(cwd)
    // execve(2) keeps ignored signals ignored and puts caught ones back to their defaults.
    for (const signal of ['SIGPIPE', 'SIGXFSZ'] as const) process.on(signal, () => {})
    // Node prints an ExperimentalWarning about execve to the stderr that the server is about to own.
    process.removeAllListeners('warning')
    const mark = process.env[CHECK_MARK]
    execve.call(process, file, [...argv], mark === undefined ? { ...env } : { ...env, [CHECK_MARK]: mark })
    throw new Error('execve returned')
  },
}

function isHere(directory: string): boolean {
  try {
    return process.cwd() === directory
  } catch {
    return false
  }
}

/** The shell ends at once, and what it left in the background belongs to init. */
function startDetached(argv: readonly [string, ...string[]], env: Environment): Promise<void> {
  const { spawn } = builtin<typeof import('node:child_process')>('node:child_process')
  return new Promise((resolve, reject) => {
    const child = spawn('/bin/sh', ['-c', '"$@" &', 'sh', ...argv], {
      cwd: '/',
      env: { ...env },
      stdio: 'ignore',
      detached: true,
    })
    child.on('error', reject)
    child.on('exit', () => resolve())
  })
}

function run(program: Program): Promise<Finished> {
  const { spawn } = builtin<typeof import('node:child_process')>('node:child_process')
  hideStderr()
  return new Promise((resolve) => {
    const stdout: Buffer[] = []
    const stderr: Buffer[] = []
    let bytes = 0
    const child = spawn(program.file, [...program.args], {
      cwd: program.cwd,
      env: { ...program.env },
      stdio: [program.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      detached: true,
    })
    const end = (why: 'timeout' | 'too-much-output'): void => {
      killGroup(child.pid)
      child.stdout?.destroy()
      child.stderr?.destroy()
      // Not when it has ended: a program that became another user's (sudo) can't be killed, and isn't waited for.
      child.unref()
      finish({ kind: why })
    }
    const timer = setTimeout(end, program.timeoutMs, 'timeout')
    const collect = (into: Buffer[]) => (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > OUTPUT_LIMIT_BYTES) end('too-much-output')
      else into.push(chunk)
    }
    const finish = (finished: Finished['end']): void => {
      clearTimeout(timer)
      resolve({ stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString(), end: finished })
    }
    child.stdout?.on('data', collect(stdout))
    child.stderr?.on('data', collect(stderr))
    if (program.input !== undefined) {
      // A program that doesn't read its input isn't a failure here: its exit status tells.
      child.stdin?.on('error', () => {})
      child.stdin?.end(program.input)
    }
    child.on('error', (error: NodeJS.ErrnoException) => {
      finish({ kind: 'not-started', errno: error.code ?? 'unknown' })
    })
    child.on('close', (code, signal) => {
      if (code !== null) finish({ kind: 'exit', code })
      else finish({ kind: 'signal', signal: signal ?? 'unknown' })
    })
  })
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
