import { complaintOf } from '../complaint.ts'
import { LaunchError } from '../errors.ts'
import { journalTag, logFile } from '../launch/log.ts'
import { findSystemTool } from '../programs.ts'
import { registryPath } from '../registry/locate.ts'
import { lookUp } from '../registry/lookup.ts'
import type { World } from '../world.ts'

const READ_TIMEOUT_MS = 30_000

export interface LogsOptions {
  readonly registry?: string
  readonly json?: boolean
  readonly follow?: boolean
  readonly lines: string
}

/**
 * `mcp-launch logs SERVER`: the end of what the server said on stderr, from its file or from the journal; with
 * `--follow` as it comes, until Ctrl-C. A log may be longer than what is worth holding in memory: but for `--json` this
 * process becomes the program that prints it.
 *
 * @returns 0.
 */
export async function logs(world: World, name: string, options: LogsOptions): Promise<number> {
  assertSound(world, options)
  const { server } = await lookUp(world, registryPath(world, options.registry), name)
  if (server.logs === 'off') {
    throw new LaunchError('failure', {
      what: 'no log of server',
      subject: name,
      why: 'it has "logs: off"',
      hint: 'set "logs: file" (or journal) for it in the registry, and start it again',
    })
  }
  const [tool, ...args] = server.logs === 'file' ? fromFile(world, name, options) : fromJournal(world, name, options)
  const file = findSystemTool(world, tool)
  if (file === undefined) throw unreadable(name, tool, `there is no ${tool} here`)
  if (!options.json && world.processes.canReplace)
    return world.processes.replace({ file, argv: [tool, ...args], env: world.env, cwd: '/' })
  const finished = await world.processes.run({ file, args, env: world.env, cwd: '/', timeoutMs: READ_TIMEOUT_MS })
  const { stdout, end } = finished
  if (end.kind !== 'exit' || end.code !== 0) throw unreadable(name, tool, complaintOf(tool, finished))
  const text = stdout.toString()
  world.terminal.writeOut(
    options.json ? `${JSON.stringify({ server: name, lines: text.trimEnd().split('\n') }, null, 2)}\n` : text,
  )
  return 0
}

function assertSound({ processes }: World, { lines, json, follow }: LogsOptions): void {
  if (!/^\d+$/.test(lines)) throw new LaunchError('usage', { what: 'no number', subject: lines, hint: '--lines 100' })
  if (json && follow) {
    throw new LaunchError('usage', {
      what: "can't follow a log as json",
      why: 'it has no end',
      hint: 'leave one of --follow and --json out',
    })
  }
  if (follow && !processes.canReplace) {
    throw new LaunchError('failure', {
      what: "can't follow a log",
      why: `${processes.runtime} can't replace itself by another program (no execve)`,
      hint: 'use node 22.15 or newer, or the native mcp-launch executable, which needs no node',
    })
  }
}

function unreadable(name: string, tool: string, why: string): LaunchError {
  const hint =
    tool === 'journalctl'
      ? 'see what it says: journalctl -n 1; or set "logs: file" for the server'
      : 'ask for fewer lines: --lines 100'
  return new LaunchError('failure', { what: "can't read the log of server", subject: name, why, hint })
}

type Words = readonly [tool: string, ...args: string[]]

function fromFile(world: World, name: string, { follow, lines }: LogsOptions): Words {
  const path = logFile(world, name)
  if (world.files.stat(path) === undefined) {
    throw new LaunchError('failure', {
      what: 'no log yet',
      subject: path,
      hint: `start the server: mcp-launch ${name}`,
    })
  }
  return ['tail', '-n', lines, ...(follow ? ['-F'] : []), '--', path]
}

/** Not `--user`: where the journal isn't kept on disk a user has none apart (journalctl(1)). */
function fromJournal(world: World, name: string, { follow, lines }: LogsOptions): Words {
  const own = ['-t', journalTag(name), `_UID=${world.uid}`]
  return ['journalctl', '--quiet', '-o', 'cat', ...own, '-n', lines, ...(follow ? ['-f'] : ['--no-pager'])]
}
