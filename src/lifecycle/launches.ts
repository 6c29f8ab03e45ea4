import { auditLogs, type Held } from '../audit.ts'
import { bootId } from '../proc.ts'
import { processStart } from '../process-start.ts'
import type { World } from '../world.ts'

/** A launch that the audit log tells of. */
export interface Launch {
  readonly server: string
  /** Of the launcher, and of the server that it became. */
  readonly pid: number
  /** With `pid`, one process of this boot (`processStart`); 0 where that could not be told. */
  readonly start: number
  /** Milliseconds since the epoch. */
  readonly since: number
  /** Its scope, if it has one. */
  readonly unit?: string
  /** By reference: which of its values it was started with; undefined in a line of an older version. */
  readonly held?: Readonly<Record<string, Held>>
  readonly client?: { readonly pid: number; readonly program?: string }
}

/**
 * Every launch of this boot in the audit logs, oldest first. Passed over are lines that aren't one, and those of another
 * boot, or of who knows which: there a pid and a start time are another process.
 */
export function launches(world: World): Launch[] {
  const boot = bootId(world)
  if (boot === undefined) return []
  return auditLogs(world)
    .flatMap((path) => lines(world, path))
    .flatMap((line) => launchOf(line, boot) ?? [])
}

/** The servers that run now: a pid with its start time is, in one boot, the process that the line tells of. */
export function runningLaunches(world: World, all = launches(world)): Launch[] {
  return all.filter((launch) => isRunning(world, launch))
}

/** Why none may be found, for people; undefined where they are. */
export function whyUnseen({ platform }: World): string | undefined {
  return platform === 'linux' ? undefined : `running servers can't be told from others here: ${platform} has no /proc`
}

function isRunning(world: World, { pid, start }: Pick<Launch, 'pid' | 'start'>): boolean {
  return start !== 0 && processStart(world, pid) === start
}

function lines(world: World, path: string): string[] {
  try {
    return world.files.read(path).toString().split('\n')
  } catch {
    return []
  }
}

function launchOf(line: string, ofBoot: string): Launch | undefined {
  if (!line.includes('"event":"launch"')) return undefined
  try {
    const { server, pid, start, boot, time, unit, held, client } = JSON.parse(line) as Launch &
      Record<'boot' | 'time', string>
    if (boot !== ofBoot) return undefined
    if (typeof server !== 'string' || !Number.isInteger(pid) || !Number.isInteger(start)) return undefined
    return {
      ...{ server, pid, start, since: Date.parse(time) },
      ...(typeof unit === 'string' ? { unit } : {}),
      ...(typeof held === 'object' && held !== null ? { held } : {}),
      ...(Number.isInteger(client?.pid) ? { client: client as NonNullable<Launch['client']> } : {}),
    }
  } catch {
    return undefined
  }
}
