import { dirname } from 'node:path'
import { type ErrorCode, LaunchError } from './errors.ts'
import type { FileStat, World } from './world.ts'

const GROUP_WRITE = 0o020
const OTHERS_WRITE = 0o002
const GROUP_OR_OTHERS_WRITE = GROUP_WRITE | OTHERS_WRITE
const GROUP_OR_OTHERS_ANY = 0o077
const STICKY = 0o1000

/**
 * Refuses a file or directory that decides what is run if somebody other than its user (or root) could change it or put
 * another in its place. It looks at the file and its directory and no further up. Throws `usage` errors.
 */
export function assertOnlyOwnerWrites(world: World, path: string, stat: FileStat, what: string): void {
  const refuse = (why: string, hint: string): LaunchError =>
    new LaunchError('usage', { what: `refusing ${what}`, subject: path, why, hint })
  assertOwner(world, path, stat, what, 'usage')
  if ((stat.mode & GROUP_OR_OTHERS_WRITE) !== 0)
    throw refuse(`others can write it (mode ${octal(stat.mode)})`, `chmod go-w ${shellWord(path)}`)
  const directory = dirname(path)
  const parent = world.files.stat(directory)
  if (parent === undefined) return
  if (!isOwn(world, parent))
    throw refuse(
      `others can replace it (its directory belongs to user ${parent.uid})`,
      'keep it in a directory of your own',
    )
  const others = othersWho(world, parent)
  if (others !== '')
    throw refuse(
      `others can replace it (its directory has mode ${octal(parent.mode)})`,
      `chmod ${others}-w ${shellWord(directory)}`,
    )
}

/**
 * Which of group and others (`g`, `o`) may replace files in this directory. Its user's private group is nobody else: where
 * each user has one (Debian, Fedora), the umask lets it write, and it has the user's own number. Nor is root's.
 */
function othersWho({ uid }: World, { mode, gid }: FileStat): string {
  if ((mode & STICKY) !== 0) return ''
  const isGroup = (mode & GROUP_WRITE) !== 0 && gid !== uid && gid !== 0
  return `${isGroup ? 'g' : ''}${(mode & OTHERS_WRITE) === 0 ? '' : 'o'}`
}

/**
 * Refuses a file that holds a key or a token if others can read it. Files of root are fine when this user isn't root:
 * sops-nix, agenix and systemd credentials hand them out that way, with a group of their own. Throws `failure` errors.
 */
export function assertOnlyOwnerReads(world: World, path: string, stat: FileStat, what: string): void {
  assertOwner(world, path, stat, what, 'failure')
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

function isOwn(world: World, { uid }: FileStat): boolean {
  return uid === world.uid || uid === 0
}

function assertOwner(world: World, path: string, stat: FileStat, what: string, code: ErrorCode): void {
  if (isOwn(world, stat)) return
  throw new LaunchError(code, {
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
