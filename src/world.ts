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
  /** HMAC with SHA-256 over the parts, one after the other. */
  hmac(key: Uint8Array, ...parts: readonly Uint8Array[]): Buffer
  /** Cryptographically strong. */
  randomBytes(length: number): Buffer
  sleep(milliseconds: number): Promise<void>
}

/** The variable by which `check` knows all that a server has started, whatever becomes of its parents. */
export const CHECK_MARK = 'MCP_LAUNCH_CHECK'

export type Environment = Readonly<Record<string, string>>

/** System calls on files; failures are Node's own errors with an errno in `code`. Paths are absolute. */
export interface Files {
  /** A regular file, or a link to one: `EISDIR` or `EFTYPE` for anything else, and never a wait. */
  read(path: string): Buffer
  /** The same of whatever a user names, also a pipe (`<(…)` of a shell), whose writer is waited for. */
  readAny(path: string): Buffer
  /** Follows links; undefined if there is nothing. */
  stat(path: string): FileStat | undefined
  /** Like `stat`, and a symbolic link is itself: `other`. */
  lstat(path: string): FileStat | undefined
  /** Names in a directory; empty if there is none. */
  list(directory: string): readonly string[]
  /** Where a symbolic link points; under `/proc/PID/fd` what a descriptor refers to. */
  readLink(path: string): string
  isExecutable(path: string): boolean
  /** The first bytes of a file, at most `length`. */
  head(path: string, length: number): Buffer
  /** Replaces or makes a file, whole or not at all: a 0600 temporary file beside it, renamed over it. */
  writeWhole(path: string, content: string | Uint8Array): void
  /** Makes a file that must not exist yet (`EEXIST`), 0600. */
  create(path: string, content: string): void
  /**
   * The same, whole or not at all, which makes it a test and a claim in one; hard links must be possible there.
   * `durable`: it outlives a power failure, which costs a wait for the disk.
   */
  createWhole(path: string, content: string | Uint8Array, how?: { readonly durable: boolean }): void
  /**
   * Adds a line to the end of a file, no link, making it (0600) if it isn't there: one write, so that parallel writers
   * don't mix, and a line of its own also after one that was cut off by a full disk.
   */
  appendLine(path: string, line: string): void
  /** Replaces `to`, whatever it is, if it is no directory. */
  rename(from: string, to: string): void
  /** Makes a directory and its parents, 0700. */
  makeDirectory(path: string): void
  /** Removes a file or a tree; fine if it isn't there. */
  remove(path: string): void
}

export interface FileStat {
  readonly kind: 'file' | 'directory' | 'other'
  readonly uid: number
  readonly gid: number
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
  /** The words that start this program again. */
  readonly self: readonly [string, ...string[]]
  /** Whether there is a process with this pid (a stranger's counts). */
  isAlive(pid: number): boolean
  /** Fine if there is no such process any more, or it is another user's. */
  signal(pid: number, signal: 'SIGTERM' | 'SIGCONT' | 'SIGKILL'): void
  /**
   * Starts a program that outlives this one: in a session of its own, without any of our descriptors, and as nobody's
   * child that matters: the server that this process becomes would never reap it. Resolves when it is on its way.
   */
  startDetached(argv: readonly [string, ...string[]], env: Environment): Promise<void>
  /**
   * Runs a program to its end, without a shell, stdin at `/dev/null`, in a process group that a time-out kills. What
   * the program itself left running in the background when it ended is not waited for, and goes on: it may be an agent.
   */
  run(program: Program): Promise<Finished>
  /**
   * Has this done when SIGINT, SIGTERM or SIGHUP would end this process, which ends by that signal thereafter.
   * @returns what takes it back.
   */
  beforeDeath(action: () => Promise<void>): () => void
  /**
   * Replaces this process (`execve`). Returns only by throwing. SIGPIPE and SIGXFSZ, which Node and Bun ignore and
   * `execve` would hand on as ignored, are put back to their defaults. What `check` has marked stays marked.
   */
  replace(program: { file: string; argv: readonly string[]; env: Environment; cwd: string }): never
}

export interface Program {
  /** An absolute path, or a name to be looked up on `env.PATH`. */
  readonly file: string
  readonly args: readonly string[]
  readonly env: Environment
  readonly cwd: string
  readonly timeoutMs: number
  /** A program of the user's, which may wait for ever: its process group is killed when this process ends, however. */
  readonly endsWithUs?: true
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
  /**
   * Synchronous and complete.
   * @throws ClosedOutput if nobody reads it any more; LaunchError if it can't be written (a full disk).
   */
  writeOut(text: string): void
  /** Never throws: a client that doesn't listen is no reason not to start its server. */
  writeError(text: string): void
  /** The next bytes on stdin; undefined at its end; 'timeout' when the deadline passes first. */
  readInput(deadlineMs: number): Promise<Buffer | undefined | 'timeout'>
}
