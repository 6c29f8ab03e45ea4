import { CHECK_MARK, type Environment, type Processes } from '../world.ts'
import { builtin } from './builtin.ts'
import { run } from './run.ts'
import { beforeDeath } from './signals.ts'

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

/**
 * The shell ends at once, and what it left in the background belongs to init. That leaves no core dump, which would hold
 * the secrets that it fetched; a launch can't do so, as the server would inherit it.
 */
function startDetached(argv: readonly [string, ...string[]], env: Environment): Promise<void> {
  const { spawn } = builtin<typeof import('node:child_process')>('node:child_process')
  return new Promise((resolve, reject) => {
    const child = spawn('/bin/sh', ['-c', 'ulimit -c 0; "$@" &', 'sh', ...argv], {
      cwd: '/',
      env: { ...env },
      stdio: 'ignore',
      detached: true,
    })
    child.on('error', reject)
    child.on('exit', () => resolve())
  })
}
