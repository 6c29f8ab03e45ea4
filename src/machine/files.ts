import * as fs from 'node:fs'
import { dirname } from 'node:path'
import type { FileStat, Files } from '../world.ts'

const { O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } = fs.constants
const NEWLINE = 0x0a

/**
 * What a killed writer may leave: the file that it was writing, under `NAME.PID.tmp`. The first group is the file, the
 * second the writer's pid.
 */
export const DRAFT = /^(.+)\.([1-9]\d*)\.tmp$/

export const files: Files = {
  read: readRegular,
  readAny: (path) => fs.readFileSync(path),
  stat(path) {
    const stat = fs.statSync(path, { throwIfNoEntry: false })
    return stat === undefined ? undefined : fileStat(stat)
  },
  lstat(path) {
    const stat = fs.lstatSync(path, { throwIfNoEntry: false })
    return stat === undefined ? undefined : fileStat(stat)
  },
  readLink: (path) => fs.readlinkSync(path),
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
    return withFile(path, O_RDONLY, (descriptor) => {
      const buffer = Buffer.alloc(length)
      return buffer.subarray(0, fs.readSync(descriptor, buffer))
    })
  },
  writeWhole(path, content) {
    withDraft(path, (draft) => {
      writeDraft(draft, content, false)
      fs.renameSync(draft, path)
    })
  },
  createWhole(path, content, { durable } = { durable: false }) {
    withDraft(path, (draft) => {
      writeDraft(draft, content, durable)
      fs.linkSync(draft, path)
      fs.rmSync(draft)
    })
  },
  create(path, content) {
    fs.writeFileSync(path, content, { mode: 0o600, flag: 'wx' })
  },
  appendLine(path, line) {
    withFile(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, (descriptor) => {
      fs.writeSync(descriptor, `${isCutOff(descriptor) ? '\n' : ''}${line}\n`)
    })
  },
  rename: (from, to) => fs.renameSync(from, to),
  makeDirectory,
  remove(path) {
    fs.rmSync(path, { recursive: true, force: true })
  },
}

function readRegular(path: string): Buffer {
  return withFile(path, O_RDONLY, (descriptor) => fs.readFileSync(descriptor))
}

/**
 * Whether the last line has no end and nobody is writing it: a file's size grows while a line is written. Changing the
 * mode waits for whoever writes; if the size is the same after that, nobody does.
 */
function isCutOff(descriptor: number): boolean {
  const last = Buffer.alloc(1)
  for (let before = -1; ; ) {
    const { size } = fs.fstatSync(descriptor)
    if (size === 0) return false
    fs.readSync(descriptor, last, 0, 1, size - 1)
    if (last[0] === NEWLINE || size === before) return last[0] !== NEWLINE
    before = size
    fs.fchmodSync(descriptor, 0o600)
  }
}

/** Opens a regular file: a pipe would keep us waiting for its other end, and a device may do anything. */
function withFile<T>(path: string, flags: number, act: (descriptor: number) => T): T {
  const descriptor = fs.openSync(path, flags | O_NONBLOCK, 0o600)
  try {
    const stat = fs.fstatSync(descriptor)
    if (!stat.isFile()) throw notRegular(path, stat)
    return act(descriptor)
  } finally {
    fs.closeSync(descriptor)
  }
}

/** The errno of BSD's for it; Linux has none. */
function notRegular(path: string, stat: fs.Stats): Error {
  const code = stat.isDirectory() ? 'EISDIR' : 'EFTYPE'
  return Object.assign(new Error(`${code}: ${path}`), { code, path })
}

/** A failure is the file's that was to be written; nobody knows the draft, and a full disk names no path at all. */
function withDraft(path: string, act: (draft: string) => void): void {
  const draft = `${path}.${process.pid}.tmp`
  try {
    act(draft)
  } catch (error) {
    fs.rmSync(draft, { force: true })
    throw Object.assign(error as Error, { path })
  }
}

function writeDraft(draft: string, content: string | Uint8Array, durable: boolean): void {
  withFile(draft, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, (descriptor) => {
    fs.writeFileSync(descriptor, content)
    if (durable) fs.fsyncSync(descriptor)
  })
}

/** Not `recursive: true`, with which Node never returns from a path under `/proc` (seen on 26). */
function makeDirectory(path: string): void {
  try {
    makeOneDirectory(path)
  } catch (error) {
    const parent = dirname(path)
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || parent === path) throw error
    makeDirectory(parent)
    makeOneDirectory(path)
  }
}

function makeOneDirectory(path: string): void {
  try {
    fs.mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || !fs.statSync(path).isDirectory()) throw error
  }
}

function fileStat(stat: fs.Stats): FileStat {
  return {
    kind: stat.isFile() ? 'file' : stat.isDirectory() ? 'directory' : 'other',
    uid: stat.uid,
    gid: stat.gid,
    mode: stat.mode & 0o7777,
    size: stat.size,
    inode: stat.ino,
    modifiedMs: stat.mtimeMs,
    changedMs: stat.ctimeMs,
  }
}
