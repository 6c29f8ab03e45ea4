import { builtin } from './builtin.ts'

/** What kills a process group when this process ends. */
export interface GroupWatch {
  /** From now on it is about this group: to be called as soon as that is there, since until then nobody watches it. */
  begin(group: number): void
  /** The group is left alone. Resolves when nothing of the watch is left: a server that we become would not reap it. */
  end(): Promise<void>
}

/** The first line is the group; a second one says that there is nothing to do, and an end of file that we have died. */
const SCRIPT = 'read -r group && { read -r line || kill -KILL "-$group"; }'

/**
 * A shell in a session of its own that reads from us. The kernel closes a pipe whatever a process dies of, SIGKILL and
 * a crash too, which no handler of ours would see; and a parent-death signal would end the program alone, without what
 * it has started.
 */
export function watchGroup(): GroupWatch {
  const { spawn } = builtin<typeof import('node:child_process')>('node:child_process')
  const shell = spawn('/bin/sh', ['-c', SCRIPT], {
    cwd: '/',
    env: {},
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  const ended = new Promise<void>((resolve) => {
    shell.on('exit', () => resolve())
    // No shell, or no process to be had: then there is no watch.
    shell.on('error', () => resolve())
  })
  // There is none where no file can be opened any more.
  shell.stdin?.on('error', () => {})
  return {
    begin: (group) => void shell.stdin?.write(`${group}\n`),
    end() {
      shell.stdin?.end('\n')
      return ended
    },
  }
}
