import { VERSION } from '../build.ts'
import { inspectHost } from '../launch/host.ts'
import type { ServerEntry } from '../registry/entry.ts'
import type { Context } from '../secrets/open.ts'
import { scrub } from '../secrets/scrub.ts'
import type { Outcome } from '../secrets/source.ts'
import { CHECK_MARK, type World } from '../world.ts'
import { heldFor, refusedTasks } from './cause.ts'
import type { Report } from './finding.ts'
import { knownSecrets } from './known-secrets.ts'
import { descendants, endLeftovers, type Kin } from './leftovers.ts'
import { verdict } from './verdict.ts'

/** For a server whose client has no limit that is known. */
const DEFAULT_LIMIT_MS = 30_000

/** More of stderr than is shown, so that a value that begins before it is recognised. */
const SCRUBBED_CHARACTERS = 4_096

export interface Start {
  /** What a client's configuration has as its command and arguments, without the server. */
  readonly launcher: readonly [string, ...string[]]
  readonly deadlineMs: number | undefined
  /** The client's variable that has made it shorter. */
  readonly shortenedBy: string | undefined
  readonly context: Context
  /** What the sources said. */
  readonly outcomes: ReadonlyMap<string, Outcome>
  /** Ends the server at once, and nothing is reported. */
  readonly stop: AbortSignal
}

/** Starts a server through this very program, as a client does, shakes hands with it, and ends it with all it started. */
export async function checkServer(world: World, server: ServerEntry, start: Start, report: Report): Promise<void> {
  const { context, outcomes, deadlineMs, shortenedBy, stop } = start
  const before = await knownSecrets(world, context, server, outcomes)
  const { converse } = await import('./mcp-client.ts')
  if (stop.aborted) return
  const mark = world.randomBytes(16).toString('hex')
  let kin: Kin[] = []
  let refused = 0
  const conversation = await converse({
    argv: [...start.launcher, 'run', server.name],
    env: { ...world.env, [CHECK_MARK]: mark },
    cwd: world.cwd,
    limitMs: deadlineMs ?? DEFAULT_LIMIT_MS,
    client: { name: 'mcp-launch', version: VERSION },
    stop,
    beforeEnd: (pid) => {
      kin = descendants(world, pid)
      refused = refusedTasks(world, pid)
    },
  })
  const { pid } = conversation
  const stayed = pid === undefined ? [] : await endLeftovers(world, server, { pid, kin, mark })
  if (stop.aborted) return
  const after = await knownSecrets(world, context, server, outcomes)
  const secrets = [...before.values, ...after.values]
  const clean = (text: string): string => scrub(text, secrets)
  const stderr = clean(conversation.stderr.slice(-SCRUBBED_CHARACTERS))
  const heard = { ...conversation, stderr, refusedTasks: refused, left: stayed.map(({ program }) => clean(program)) }
  for (const finding of verdict(
    server,
    heard,
    {
      deadlineMs,
      shortenedBy,
      limitMs: deadlineMs ?? DEFAULT_LIMIT_MS,
      held: heldFor(server, inspectHost(world)),
      clean,
    },
    after.unknown,
  ))
    report(finding)
}
