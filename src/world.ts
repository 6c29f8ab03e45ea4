/**
 * Everything outside the program, as one value. `main.ts` makes the real one (`realWorld`); below it nothing touches
 * `process`, `fs` or the clock, so that tests run the same code against any machine they like.
 */
export interface World {
  readonly platform: NodeJS.Platform
  readonly argv: readonly string[]
  readonly env: Environment
  readonly cwd: string
  readonly pid: number
  readonly uid: number
  readonly files: Files
  readonly processes: Processes
  readonly terminal: Terminal
  /** Milliseconds since the epoch. */
  now(): number
  /** The parent's pid as of now: it changes when the parent dies. */
  parentPid(): number
  /** SHA-256, hexadecimal. */
  sha256(bytes: Uint8Array | string): string
}

export type Environment = Readonly<Record<string, string>>

/** System calls on files; failures are Node's own errors with an errno in `code`. Paths are absolute. */
export interface Files {
  read(path: string): Buffer
  /** Follows links; undefined if there is nothing. */
  stat(path: string): FileStat | undefined
  /** Names in a directory; empty if there is none. */
  list(directory: string): readonly string[]
  isExecutable(path: string): boolean
  /** The first bytes of a file, at most `length`. */
  head(path: string, length: number): Buffer
  /** Replaces or makes a file, whole or not at all: a 0600 temporary file beside it, renamed over it. */
  writeWhole(path: string, content: string | Uint8Array): void
  /** Makes a file that must not exist yet (`EEXIST`), 0600. */
  create(path: string, content: string): void
  /** Makes a directory and its parents, 0700. */
  makeDirectory(path: string): void
  /** Removes a file or a tree; fine if it isn't there. */
  remove(path: string): void
}

export interface FileStat {
  readonly kind: 'file' | 'directory' | 'other'
  readonly uid: number
  /** The permission bits, `0o7777`. */
  readonly mode: number
  readonly size: number
  readonly inode: number
  readonly modifiedMs: number
  readonly changedMs: number
}

export interface Processes {
  /** False on Node < 22.15 and on Windows: there is no `process.execve`. */
  readonly canReplace: boolean
  readonly runtime: string
  /** Runs a program to its end, without a shell, stdin at `/dev/null`, in a process group that a time-out kills. */
  run(program: Program): Promise<Finished>
  /** Replaces this process (`execve`). Returns only by throwing. */
  replace(program: { file: string; argv: readonly string[]; env: Environment; cwd: string }): never
}

export interface Program {
  /** An absolute path, or a name to be looked up on `env.PATH`. */
  readonly file: string
  readonly args: readonly string[]
  readonly env: Environment
  readonly cwd: string
  readonly timeoutMs: number
  /** What to give on stdin instead of nothing. */
  readonly input?: Uint8Array
}

export interface Finished {
  readonly stdout: Buffer
  readonly stderr: string
  readonly end:
    | { readonly kind: 'exit'; readonly code: number }
    | { readonly kind: 'signal'; readonly signal: string }
    | { readonly kind: 'timeout' }
    | { readonly kind: 'too-much-output' }
    /** It could not be started; `errno` says why. */
    | { readonly kind: 'not-started'; readonly errno: string }
}

export interface Terminal {
  readonly stdinIsTerminal: boolean
  readonly stdoutIsTerminal: boolean
  /** Synchronous and complete, or an exception. */
  writeOut(text: string): void
  writeError(text: string): void
  /** The next bytes on stdin; undefined at its end; 'timeout' when the deadline passes first. */
  readInput(deadlineMs: number): Promise<Buffer | undefined | 'timeout'>
}
