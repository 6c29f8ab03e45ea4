import { dirname } from 'node:path'
import { LaunchError } from './errors.ts'
import type { FileStat, World } from './world.ts'

const GROUP_OR_OTHERS_WRITE = 0o022
const GROUP_OR_OTHERS_ANY = 0o077
const OTHERS_WRITE = 0o002
const STICKY = 0o1000

/** Refuses a file that decides what is run if somebody other than its user (or root) could change it. */
export function assertOnlyOwnerWrites(world: World, path: string, stat: FileStat, what: string): void {
  assertOwner(world, path, stat, what)
  if ((stat.mode & GROUP_OR_OTHERS_WRITE) !== 0) {
    throw new LaunchError('usage', {
      what: `refusing ${what}`,
      subject: path,
      why: `others can write it (mode ${octal(stat.mode)})`,
      hint: `chmod go-w ${shellWord(path)}`,
    })
  }
  const directory = dirname(path)
  const parent = world.files.stat(directory)
  if (parent !== undefined && (parent.mode & OTHERS_WRITE) !== 0 && (parent.mode & STICKY) === 0) {
    throw new LaunchError('usage', {
      what: `refusing ${what}`,
      subject: path,
      why: `others can replace it (its directory has mode ${octal(parent.mode)})`,
      hint: `chmod o-w ${shellWord(directory)}`,
    })
  }
}

/**
 * Refuses a file that holds a key or a token if others can read it. Files of root are fine when this user isn't root:
 * sops-nix, agenix and systemd credentials hand them out that way, with a group of their own.
 */
export function assertOnlyOwnerReads(world: World, path: string, stat: FileStat, what: string): void {
  assertOwner(world, path, stat, what)
  if (stat.uid === 0 && world.uid !== 0) return
  if ((stat.mode & GROUP_OR_OTHERS_ANY) !== 0) {
    throw new LaunchError('failure', {
      what: `refusing ${what}`,
      subject: path,
      why: `others can read it (mode ${octal(stat.mode)})`,
      hint: `chmod 600 ${shellWord(path)}`,
    })
  }
}

function assertOwner(world: World, path: string, stat: FileStat, what: string): void {
  if (stat.uid === world.uid || stat.uid === 0) return
  throw new LaunchError('usage', {
    what: `refusing ${what}`,
    subject: path,
    why: `it belongs to user ${stat.uid}`,
    hint: `make it your own: chown ${world.uid} ${shellWord(path)}`,
  })
}

function octal(mode: number): string {
  return (mode & 0o777).toString(8).padStart(4, '0')
}

/** A path as one word of a POSIX shell. */
export function shellWord(path: string): string {
  return /^[\w./~+@%:=-]+$/.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`
}
