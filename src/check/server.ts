import { VERSION } from '../build.ts'
import type { ServerEntry } from '../registry/entry.ts'
import type { Context } from '../secrets/open.ts'
import { scrub } from '../secrets/scrub.ts'
import type { Outcome } from '../secrets/source.ts'
import type { World } from '../world.ts'
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
  readonly context: Context
  /** What the sources said. */
  readonly outcomes: ReadonlyMap<string, Outcome>
}

/** Starts a server through this very program, as a client does, shakes hands with it, and ends it with all it started. */
export async function checkServer(world: World, server: ServerEntry, start: Start, report: Report): Promise<void> {
  const { context, outcomes, deadlineMs } = start
  const before = await knownSecrets(world, context, server, outcomes)
  const { converse } = await import('./mcp-client.ts')
  let kin: Kin[] = []
  const conversation = await converse({
    argv: [...start.launcher, 'run', server.name],
    env: world.env,
    cwd: world.cwd,
    limitMs: deadlineMs ?? DEFAULT_LIMIT_MS,
    client: { name: 'mcp-launch', version: VERSION },
    beforeEnd: (pid) => {
      kin = descendants(world, pid)
    },
  })
  const stayed = conversation.pid === undefined ? [] : await endLeftovers(world, server, conversation.pid, kin)
  const after = await knownSecrets(world, context, server, outcomes)
  const secrets = [...before.values, ...after.values]
  const clean = (text: string): string => scrub(text, secrets)
  const stderr = clean(conversation.stderr.slice(-SCRUBBED_CHARACTERS))
  const heard = { ...conversation, stderr, left: stayed.map(({ program }) => clean(program)) }
  for (const finding of verdict(
    server,
    heard,
    { deadlineMs, limitMs: deadlineMs ?? DEFAULT_LIMIT_MS, clean },
    after.unknown,
  ))
    report(finding)
}
