import { watchDescription, watchedClient } from './watch-unit.ts'

/** The scope of a server: all its processes are in it. */
export interface ServerUnit {
  readonly unit: string
  readonly server: string
  /** Of the launcher, and of the server that it became: the leader. */
  readonly pid: number
  readonly slice: string
  /** The path in the cgroup tree, as `/proc/PID/cgroup` has it; '' if systemd doesn't say. */
  readonly cgroup: string
  readonly isStopping: boolean
  /** The process that the scope is bound to. */
  readonly client: ProcessIdentity | undefined
  /** Milliseconds since the epoch, to the second. */
  readonly since: number | undefined
  readonly stopTimeoutMs: number | undefined
  readonly memory: Measured
  readonly tasks: Measured
}

/** What is used and what may be; undefined where systemd doesn't know, or there is no limit. */
export interface Measured {
  readonly used: number | undefined
  readonly max: number | undefined
}

/** A pid and its start time (`processStart`) are one process for ever. */
export interface ProcessIdentity {
  readonly pid: number
  readonly start: number
}

/** The unit that watches a client. */
export interface ClientUnit {
  readonly unit: string
  readonly client: ProcessIdentity
  /** As a server's. */
  readonly cgroup: string
}

export interface Units {
  readonly servers: readonly ServerUnit[]
  readonly clients: readonly ClientUnit[]
}

/** What {@link parseUnits} has to be shown, and of which units. */
export const SHOWN_PROPERTIES = [
  ...['Id', 'Description', 'LoadState', 'ActiveState', 'Transient', 'Slice', 'ControlGroup', 'BindsTo'],
  ...['MemoryCurrent', 'MemoryMax', 'TasksCurrent', 'TasksMax', 'TimeoutStopUSec', 'ActiveEnterTimestamp'],
]
export const SHOWN_UNITS = ['mcp-*.scope', 'mcp-client-*.service']

const SERVER_UNIT = /^mcp-([a-z0-9][a-z0-9._-]*)-([1-9]\d*)\.scope$/

/**
 * Takes apart what `systemctl show` says (in `LC_ALL=C` and `TZ=UTC`; 247 and later say it alike). A unit is ours if
 * its name and its description are those that a launch gives to one server, or one client, both, and a server's was
 * made at run time (`Transient=`, no file of anybody's); whatever only looks like it is passed over.
 */
export function parseUnits(shown: string): Units {
  const units = shown
    .split(/\n\n+/)
    .map(propertiesOf)
    .filter(
      ({ LoadState, ActiveState }) => LoadState === 'loaded' && !['inactive', 'failed'].includes(ActiveState ?? ''),
    )
  return {
    servers: units.flatMap((unit) => serverUnit(unit) ?? []),
    clients: units.flatMap((unit) => clientUnit(unit) ?? []),
  }
}

export type Properties = Readonly<Record<string, string>>

/** Of one unit as `systemctl show` prints it. */
export function propertiesOf(text: string): Properties {
  return Object.fromEntries(
    text.split('\n').flatMap((line) => {
      const [, name, value] = /^(\w+)=(.*)$/.exec(line) ?? []
      return name === undefined || value === undefined ? [] : [[name, value]]
    }),
  )
}

function serverUnit(properties: Properties): ServerUnit | undefined {
  const { Id: unit = '', Description, Slice: slice = '', ControlGroup: cgroup = '' } = properties
  const [, server, pid] = SERVER_UNIT.exec(unit) ?? []
  if (server === undefined || Description !== serverDescription(server) || properties['Transient'] !== 'yes') {
    return undefined
  }
  return {
    ...{ unit, server, pid: Number(pid), slice, cgroup, isStopping: properties['ActiveState'] === 'deactivating' },
    client: boundTo(properties['BindsTo'] ?? ''),
    since: timeOf(properties['ActiveEnterTimestamp']),
    stopTimeoutMs: timeSpan(properties['TimeoutStopUSec'] ?? ''),
    memory: { used: amount(properties['MemoryCurrent']), max: amount(properties['MemoryMax']) },
    tasks: { used: amount(properties['TasksCurrent']), max: amount(properties['TasksMax']) },
  }
}

function clientUnit({ Id: unit = '', Description, ControlGroup: cgroup = '' }: Properties): ClientUnit | undefined {
  const client = watchedClient(unit)
  if (client === undefined) return undefined
  const { pid, start } = client
  const instances = [`${pid}-${start}`, ...(unit.includes('@') ? [] : [`${pid}`])]
  return instances.some((instance) => Description === watchDescription(instance)) ? { unit, client, cgroup } : undefined
}

/** What `launch/wrap.ts` gives a server's scope. */
export function serverDescription(server: string): string {
  return `MCP server ${server}`
}

function boundTo(units: string): ProcessIdentity | undefined {
  return units
    .split(' ')
    .map(watchedClient)
    .find((client) => client !== undefined)
}

/** `[not set]`, `infinity`, and 2^64-1, which stands for both in some versions, are no amount. */
function amount(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d+$/.test(text)) return undefined
  const number = Number(text)
  return number < 2 ** 63 ? number : undefined
}

/**
 * `Fri 2026-11-20 09:38:09 UTC`, with a fraction of a second in some formats; empty or `n/a` for never. Milliseconds
 * since the epoch.
 */
export function timeOf(text: string | undefined): number | undefined {
  const [, date, time] = /^\w+ ([\d-]+) ([\d:.]+) UTC$/.exec(text ?? '') ?? []
  if (date === undefined) return undefined
  const milliseconds = Date.parse(`${date}T${time}Z`)
  return Number.isNaN(milliseconds) ? undefined : milliseconds
}

/** systemd.time(7), "Displaying time spans". */
const UNIT_MS: Readonly<Record<string, number>> = {
  us: 0.001,
  ms: 1,
  s: 1_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
  month: 2_629_800_000,
  y: 31_557_600_000,
}

/** `1min 30s` and `500ms` in milliseconds; undefined for `infinity` and what isn't one. */
export function timeSpan(text: string): number | undefined {
  const words = text.split(' ').map((word) => /^(\d+(?:\.\d+)?)([a-z]+)$/.exec(word))
  const parts = words.map((match) => Number(match?.[1]) * (UNIT_MS[match?.[2] ?? ''] ?? Number.NaN))
  const total = parts.reduce((sum, part) => sum + part, 0)
  return Number.isNaN(total) ? undefined : total
}
