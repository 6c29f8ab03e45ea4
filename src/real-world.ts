import * as fs from 'node:fs'
import type { FileStat, Files, Finished, Processes, Program, Terminal, World } from './world.ts'

const OUTPUT_LIMIT_BYTES = 4 * 1024 * 1024

/** The machine that the program runs on. */
export function realWorld(): World {
  return {
    platform: process.platform,
    argv: process.argv.slice(2),
    env: { ...process.env } as Record<string, string>,
    cwd: workingDirectory(),
    pid: process.pid,
    uid: process.getuid?.() ?? 0,
    files,
    processes,
    terminal,
    now: () => Date.now(),
    // A getter, so read anew: the value is the present parent's, not the first one's.
    parentPid: () => process.ppid,
    sha256,
  }
}

/** A deleted working directory is no reason not to start a server that doesn't need one. */
function workingDirectory(): string {
  try {
    return process.cwd()
  } catch {
    return '/'
  }
}

/** Bun's own hasher spares the 2 ms that loading `node:crypto` costs there. */
function sha256(bytes: Uint8Array | string): string {
  if (process.versions['bun'] !== undefined) {
    const { Bun } = globalThis as unknown as { Bun: { CryptoHasher: new (name: string) => Hasher } }
    return new Bun.CryptoHasher('sha256').update(bytes).digest('hex')
  }
  const { createHash } = process.getBuiltinModule('node:crypto')
  return createHash('sha256').update(bytes).digest('hex')
}

interface Hasher {
  update(bytes: Uint8Array | string): Hasher
  digest(encoding: 'hex'): string
}

const files: Files = {
  read: (path) => fs.readFileSync(path),
  stat(path) {
    const stat = fs.statSync(path, { throwIfNoEntry: false })
    return stat === undefined ? undefined : fileStat(stat)
  },
  list(directory) {
    try {
      return fs.readdirSync(directory)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
      throw error
    }
  },
  isExecutable(path) {
    try {
      fs.accessSync(path, fs.constants.X_OK)
      return true
    } catch {
      return false
    }
  },
  head(path, length) {
    const descriptor = fs.openSync(path, 'r')
    try {
      const buffer = Buffer.alloc(length)
      return buffer.subarray(0, fs.readSync(descriptor, buffer))
    } finally {
      fs.closeSync(descriptor)
    }
  },
  writeWhole(path, content) {
    const temporary = `${path}.${process.pid}.tmp`
    try {
      fs.writeFileSync(temporary, content, { mode: 0o600 })
      fs.renameSync(temporary, path)
    } catch (error) {
      fs.rmSync(temporary, { force: true })
      throw error
    }
  },
  create(path, content) {
    fs.writeFileSync(path, content, { mode: 0o600, flag: 'wx' })
  },
  makeDirectory(path) {
    fs.mkdirSync(path, { recursive: true, mode: 0o700 })
  },
  remove(path) {
    fs.rmSync(path, { recursive: true, force: true })
  },
}

function fileStat(stat: fs.Stats): FileStat {
  return {
    kind: stat.isFile() ? 'file' : stat.isDirectory() ? 'directory' : 'other',
    uid: stat.uid,
    mode: stat.mode & 0o7777,
    size: stat.size,
    inode: stat.ino,
    modifiedMs: stat.mtimeMs,
    changedMs: stat.ctimeMs,
  }
}

const processes: Processes = {
  canReplace: typeof process.execve === 'function',
  runtime: process.versions['bun'] === undefined ? `node ${process.versions.node}` : `bun ${process.versions['bun']}`,
  run,
  replace({ file, argv, env, cwd }) {
    const { execve } = process
    if (execve === undefined) throw new Error('no process.execve')
    process.chdir(cwd)
    // Node prints an ExperimentalWarning about execve to the stderr that the server is about to own.
    process.removeAllListeners('warning')
    execve.call(process, file, [...argv], { ...env })
    throw new Error('execve returned')
  },
}

function run(program: Program): Promise<Finished> {
  const { spawn } = process.getBuiltinModule('node:child_process')
  return new Promise((resolve) => {
    const stdout: Buffer[] = []
    const stderr: Buffer[] = []
    let bytes = 0
    let cutOff: 'timeout' | 'too-much-output' | undefined
    const child = spawn(program.file, [...program.args], {
      cwd: program.cwd,
      env: { ...program.env },
      stdio: [program.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      detached: true,
    })
    const end = (why: 'timeout' | 'too-much-output'): void => {
      cutOff ??= why
      killGroup(child.pid)
      child.stdout?.destroy()
      child.stderr?.destroy()
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
      if (cutOff !== undefined) finish({ kind: cutOff })
      else if (code !== null) finish({ kind: 'exit', code })
      else finish({ kind: 'signal', signal: signal ?? 'unknown' })
    })
  })
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}

const terminal: Terminal = {
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
