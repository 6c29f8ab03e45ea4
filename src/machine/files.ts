import * as fs from 'node:fs'
import { dirname } from 'node:path'
import type { FileStat, Files } from '../world.ts'

export const files: Files = {
  read: (path) => fs.readFileSync(path),
  stat(path) {
    const stat = fs.statSync(path, { throwIfNoEntry: false })
    return stat === undefined ? undefined : fileStat(stat)
  },
  lstat(path) {
    const stat = fs.lstatSync(path, { throwIfNoEntry: false })
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
  readLink: (path) => fs.readlinkSync(path),
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
  append(path, content) {
    fs.appendFileSync(path, content, { mode: 0o600 })
  },
  rename: (from, to) => fs.renameSync(from, to),
  link: (existing, path) => fs.linkSync(existing, path),
  makeDirectory,
  remove(path) {
    fs.rmSync(path, { recursive: true, force: true })
  },
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
    mode: stat.mode & 0o7777,
    size: stat.size,
    inode: stat.ino,
    modifiedMs: stat.mtimeMs,
    changedMs: stat.ctimeMs,
  }
}
