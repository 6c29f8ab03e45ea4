import { files } from './machine/files.ts'
import { hmac, sha256 } from './machine/hash.ts'
import { processes } from './machine/processes.ts'
import { terminal } from './machine/terminal.ts'
import { CHECK_MARK, type Environment, type World } from './world.ts'

/** The machine that the program runs on. */
export function realWorld(): World {
  return {
    platform: process.platform,
    argv: process.argv.slice(2),
    env: environment(),
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
    hmac,
    randomBytes: (length) => Buffer.from(crypto.getRandomValues(new Uint8Array(length))),
    sleep: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
  }
}

/** The mark is the server's alone, and no agent's that a secret's program starts (`Processes.replace`). */
function environment(): Environment {
  // A variable called "constructor" is none that every object has.
  const env = Object.assign(Object.create(null), process.env) as Record<string, string>
  delete env[CHECK_MARK]
  return env
}

/** A deleted working directory is no reason not to start a server that doesn't need one. */
function workingDirectory(): string {
  try {
    return process.cwd()
  } catch {
    return '/'
  }
}
