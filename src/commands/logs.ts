import { LaunchError } from '../errors.ts'
import { journalTag, logFile } from '../launch/log.ts'
import { registryPath } from '../registry/locate.ts'
import { lookUp } from '../registry/lookup.ts'
import type { World } from '../world.ts'

const READ_TIMEOUT_MS = 30_000

/**
 * `mcp-launch logs SERVER`: the end of what the server said on stderr, from its file or from the journal; with
 * `--follow` as it comes, until Ctrl-C.
 *
 * @returns 0, or the exit status of `journalctl`.
 */
export async function logs(
  world: World,
  name: string,
  options: { readonly registry?: string; readonly json?: boolean; readonly follow?: boolean; readonly lines: string },
): Promise<number> {
  if (!/^\d+$/.test(options.lines)) {
    throw new LaunchError('usage', { what: 'no number', subject: options.lines, hint: '--lines 100' })
  }
  const { server } = await lookUp(world, registryPath(world, options.registry), name)
  if (server.logs === 'off') {
    throw new LaunchError('failure', {
      what: 'no log of server',
      subject: name,
      why: 'it has "logs: off"',
      hint: 'set "logs: file" (or journal) for it in the registry, and start it again',
    })
  }
  const argv = server.logs === 'file' ? fromFile(world, name, options) : fromJournal(world, name, options)
  const [file = '', ...args] = argv
  if (options.follow)
    return world.processes.replace({ file: '/usr/bin/env', argv: ['env', ...argv], env: world.env, cwd: '/' })
  const { stdout, stderr, end } = await world.processes.run({
    file,
    args,
    env: world.env,
    cwd: '/',
    timeoutMs: READ_TIMEOUT_MS,
  })
  if (end.kind !== 'exit' || end.code !== 0) {
    throw new LaunchError('failure', {
      what: `can't read the log of server "${name}"`,
      subject: file,
      why: stderr.trim().split('\n').at(-1) ?? end.kind,
    })
  }
  const text = stdout.toString()
  world.terminal.writeOut(
    options.json ? `${JSON.stringify({ server: name, lines: text.trimEnd().split('\n') }, null, 2)}\n` : text,
  )
  return 0
}

interface Range {
  readonly follow?: boolean
  readonly lines: string
}

function fromFile(world: World, name: string, { follow, lines }: Range): string[] {
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
function fromJournal(world: World, name: string, { follow, lines }: Range): string[] {
  const own = ['-t', journalTag(name), `_UID=${world.uid}`]
  return ['journalctl', '--quiet', '-o', 'cat', ...own, '-n', lines, ...(follow ? ['-f'] : ['--no-pager'])]
}
