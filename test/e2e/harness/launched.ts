import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { closeSync, constants, openSync } from 'node:fs'
import { Socket } from 'node:net'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { waitFor } from './wait-for.ts'

/** How a process ended: exactly one of the two isn't null. */
export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A program that runs, and what it has said so far. */
export interface Launched {
  readonly pid: number
  readonly stdin: Writable
  /** All bytes so far. */
  stdout(): Buffer
  /** All text so far. */
  stderr(): string
  /** Resolves when the process has ended and its output is complete: nobody is left who could write to it. */
  readonly exited: Promise<Exit>
  /** Resolves when the process has ended, though others may still hold its output open. */
  readonly processEnded: Promise<Exit>
  kill(signal?: NodeJS.Signals): void
  /** Waits for the first line on stdout and returns it without its newline. */
  firstLine(): Promise<string>
}

export interface SpawnOptions {
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  /** Real pipes, made in this directory, instead of the socket pairs that Node makes. */
  readonly pipesIn?: string
}

/**
 * Starts a program without a shell.
 * @throws if it can't be started.
 */
export async function start(options: SpawnOptions): Promise<Launched> {
  const [file = '', ...args] = options.argv
  const pipes =
    options.pipesIn === undefined ? undefined : [0, 1, 2].map((fd) => namedPipe(options.pipesIn as string, fd))
  const child = spawn(file, args, {
    env: { ...options.env },
    cwd: options.cwd,
    stdio: pipes === undefined ? 'pipe' : pipes.map((pipe) => pipe.theirs),
  })
  for (const pipe of pipes ?? []) closeSync(pipe.theirs)
  const streams = pipes === undefined ? child.stdio : pipes.map((pipe) => pipe.ours)
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve).once('error', reject)
  })
  return watch(child, streams as unknown as [Writable, Readable, Readable])
}

function watch(child: ChildProcess, [stdin, out, err]: [Writable, Readable, Readable]): Launched {
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  // A program may end before it has read everything: its exit says what a test wants to know.
  stdin.on('error', () => {})
  const ends = [out.on('data', push(stdout)), err.on('data', push(stderr))].map(closed)
  const processEnded = new Promise<Exit>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }))
  })
  const exited = Promise.all([processEnded, ...ends]).then(([how]) => {
    stdin.destroy()
    return how
  })
  return {
    pid: child.pid as number,
    stdin,
    stdout: () => Buffer.concat(stdout),
    stderr: () => Buffer.concat(stderr).toString(),
    exited,
    processEnded,
    kill: (signal = 'SIGTERM') => void child.kill(signal),
    firstLine: () => firstLine(stdout),
  }
}

async function firstLine(chunks: readonly Buffer[]): Promise<string> {
  const whole = await waitFor(
    () => {
      const text = Buffer.concat(chunks).toString()
      return text.includes('\n') && text
    },
    { what: 'a line on stdout' },
  )
  return whole.slice(0, whole.indexOf('\n'))
}

function push(into: Buffer[]): (chunk: Buffer) => void {
  return (chunk) => void into.push(chunk)
}

function closed(stream: Readable): Promise<void> {
  return new Promise((resolve) => {
    stream.once('close', () => resolve())
  })
}

/** Each side opens it by itself, so that ours being non-blocking leaves theirs alone. */
function namedPipe(directory: string, fd: number): { theirs: number; ours: Socket } {
  const path = join(directory, `pipe-${fd}`)
  execFileSync('mkfifo', ['-m', '600', path])
  // Opening one end alone would wait for the other.
  const both = openSync(path, constants.O_RDWR)
  const reading = openSync(path, constants.O_RDONLY)
  const writing = openSync(path, constants.O_WRONLY)
  closeSync(both)
  return fd === 0
    ? { theirs: reading, ours: new Socket({ fd: writing, readable: false, writable: true }) }
    : { theirs: writing, ours: new Socket({ fd: reading, readable: true, writable: false }) }
}
