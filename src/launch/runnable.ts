import { dirname, isAbsolute, join, resolve } from 'node:path'
import { errnoWords, LaunchError } from '../errors.ts'
import { statOf } from '../programs.ts'
import type { World } from '../world.ts'

/** A server's command, and where it is looked for. */
export interface Search {
  readonly server: string
  readonly command: string
  readonly cwd: string
  /** The server's own directories, absolute, then the client's PATH. */
  readonly directories: readonly string[]
  /** The PATH that the server will have: what a `#!/usr/bin/env NAME` is looked up on. */
  readonly serverPath: string
}

/** The kernel reads no more of a `#!` line than this (BINPRM_BUF_SIZE). */
const HEAD_BYTES = 256
/** Programs for all systems (Cosmopolitan), which `execvp` gives to a shell. */
const PORTABLE = /^(?:MZqFpD|jartsr)/
/** What the kernel runs besides: QEMU, Wine, WSL (binfmt_misc). */
const FORMATS = '/proc/sys/fs/binfmt_misc'
const ELF = Buffer.from('\u007fELF', 'latin1')
/** An ELF file's header: `EI_CLASS`, `EI_DATA` and `e_machine` are in its first 20 bytes (elf(5)). */
const ELF_HEADER_BYTES = 64
/** What a kernel runs besides its own (binfmt_misc aside): i386 on x86-64, 32-bit ARM on aarch64, and those it on them. */
const ALSO_RUNS: Readonly<Record<number, number>> = { 62: 3, 183: 40 }

/**
 * Finds what `execve` would refuse: an empty file, a text without `#!` (ENOEXEC, which `execvp` gives to a shell), a
 * program for another machine, an interpreter that isn't there.
 *
 * @throws LaunchError `notExecutable` (126) or `notFound` (127), as a shell would end.
 */
export function assertRunnable(world: World, search: Search, path: string): void {
  const head = headOf(world, search, path)
  if (head === undefined) return
  if (head.length === 0) throw notExecutable(search, path, 'is empty', undefined)
  if (head.toString('latin1', 0, 2) === '#!') {
    assertInterpreter(world, search, path, head)
    return
  }
  if (!head.includes(0)) {
    throw notExecutable(search, path, 'neither a program nor a script with "#!"', 'begin the script with a "#!" line')
  }
  if (world.platform === 'linux' && !canRun(world, head)) {
    throw notExecutable(search, path, 'is no program for this machine', 'install the one that is built for it')
  }
}

/** Undefined for a program that may be executed and not be read. */
function headOf(world: World, search: Search, path: string): Buffer | undefined {
  try {
    return world.files.head(path, HEAD_BYTES)
  } catch (error) {
    if (errnoWords(error) === 'permission denied') return undefined
    throw notExecutable(search, path, errnoWords(error), undefined)
  }
}

/** True also where it can't be told. */
function canRun(world: World, head: Buffer): boolean {
  if (PORTABLE.test(head.toString('latin1', 0, 6))) return true
  const formats = world.files.list(FORMATS).filter((name) => name !== 'status')
  const isElf = head.length >= ELF_HEADER_BYTES && head.subarray(0, ELF.length).equals(ELF)
  if (!isElf) return formats.some((name) => name !== 'register')
  // Not mounted, as in a container, where the host's formats hold all the same: it can't be told.
  return isForThisMachine(world, head) || formats.length !== 1
}

function isForThisMachine(world: World, head: Buffer): boolean {
  let own: number
  try {
    own = machineOf(world.files.head('/proc/self/exe', HEAD_BYTES))
  } catch {
    return true
  }
  const machine = machineOf(head)
  return machine === own || machine === ALSO_RUNS[own] || own === ALSO_RUNS[machine]
}

function machineOf(head: Buffer): number {
  const isBigEndian = head[5] === 2
  return isBigEndian ? head.readUInt16BE(18) : head.readUInt16LE(18)
}

function assertInterpreter(world: World, search: Search, path: string, head: Buffer): void {
  const [line = ''] = head.toString('latin1').slice(2).split('\n')
  const [interpreter = '', ...words] = line.trimStart().split(/[ \t]+/)
  if (!isAbsolute(interpreter) || statOf(world, interpreter)?.kind !== 'file') {
    throw noInterpreter(search, path, interpreter)
  }
  if (!world.files.isExecutable(interpreter)) {
    throw notExecutable(search, path, `no permission to execute its interpreter ${interpreter}`, undefined)
  }
  const name = interpreter.endsWith('/env') ? namedByEnv(words) : undefined
  if (name !== undefined && !isOnPath(world, search, name)) {
    throw new LaunchError('notFound', {
      what: `can't start server "${search.server}", its interpreter isn't on the PATH`,
      subject: name,
      why: `the first line of ${path} asks for it`,
      hint: `give the directory of "${name}" under "path" of server "${search.server}"`,
    })
  }
}

/** The program that `env [-S] NAME …` looks up; undefined where it takes more to know. */
function namedByEnv(words: readonly string[]): string | undefined {
  const [first, ...rest] = words.filter((word) => word !== '')
  const name = first === '-S' ? rest[0] : first
  return name === undefined || /[-=/\\'"$]/.test(name[0] ?? '') || /[=/]/.test(name) ? undefined : name
}

function isOnPath(world: World, { cwd, serverPath }: Search, name: string): boolean {
  return serverPath
    .split(':')
    .map((directory) => join(resolve(cwd, directory), name))
    .some((path) => statOf(world, path)?.kind === 'file' && world.files.isExecutable(path))
}

function noInterpreter({ server }: Search, path: string, interpreter: string): LaunchError {
  return new LaunchError('notFound', {
    what: `can't start server "${server}", its interpreter isn't there`,
    subject: interpreter,
    why: `the first line of ${path} asks for it`,
    hint: interpreter.endsWith('\r')
      ? 'save the script with LF line ends'
      : `install it, or mend ${dirname(path)}'s script`,
  })
}

/** 126, as a shell would end. */
export function notExecutable(search: Search, path: string, why: string, hint: string | undefined): LaunchError {
  return new LaunchError('notExecutable', {
    what: `can't start server "${search.server}", not executable`,
    subject: path,
    why,
    hint: hint ?? `mend "command" of server "${search.server}" in the registry`,
  })
}
