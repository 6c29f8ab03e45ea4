import { randomBytes } from 'node:crypto'
import { expect } from 'vitest'
import { userManager } from '../harness/provided.ts'
import type { Sandbox } from '../harness/sandbox.ts'
import { listUnits } from '../harness/units.ts'
import { waitFor } from '../harness/wait-for.ts'

const node = (script: string) => `'${process.execPath}' -e "${script}"`
const READY = "console.log('ready'); setInterval(() => {}, 60000)"
const PARENT = `require('child_process').spawn(process.execPath, ['-e', process.env.INNER], {stdio: 'inherit'})`

/** Servers that don't end with their stdin. Each says `ready` when all that it starts is there. */
export const NASTY = {
  /** As npx does it: a shell, its node, and that one's node. */
  chain: { command: 'sh', args: ['-c', `${node(PARENT)}; exit`], env: { INNER: READY } },
  setsid: { command: 'sh', args: ['-c', 'setsid sh -c "echo ready; exec sleep 600" & sleep 600; exit'] },
  deaf: { command: 'sh', args: ['-c', 'trap "" TERM HUP INT; echo ready; while :; do sleep 600; done'] },
  'double-fork': { command: 'sh', args: ['-c', '(setsid sh -c "(echo ready; exec sleep 600) &" &); sleep 600; exit'] },
} as const

export type NastyName = keyof typeof NASTY

/** The nasty servers under names that no other test uses. */
export interface NastyServers {
  readonly names: readonly string[]
  /** Their scopes. */
  units(): Promise<string[]>
}

/** Writes a registry of nasty servers. `entry` is added to each. */
export function writeNasty(sandbox: Sandbox, which: readonly NastyName[], entry: object = {}): NastyServers {
  const tag = `t${randomBytes(4).toString('hex')}`
  const servers = which.map((name) => [`${tag}-${name}`, { stopTimeout: '1s', ...NASTY[name], ...entry }] as const)
  sandbox.writeRegistry({ servers: Object.fromEntries(servers) })
  return {
    names: servers.map(([name]) => name),
    units: () => listUnits(userManager(), `mcp-${tag}-*`),
  }
}

/** The watches of a client. */
export function watchesOf(clientPid: number): Promise<string[]> {
  return listUnits(userManager(), `mcp-client-*@${clientPid}-*.service`)
}

/** Waits until neither a process of the sandbox nor a unit of these servers and this client is there. */
export async function expectAllGone(sandbox: Sandbox, servers: NastyServers, clientPid: number): Promise<void> {
  const limitMs = 10_000
  const since = performance.now()
  await sandbox.expectNothingLeft(limitMs)
  let units: string[] = []
  const gone = async (): Promise<boolean> => {
    units = [...(await servers.units()), ...(await watchesOf(clientPid))]
    return units.length === 0
  }
  await waitFor(gone, {
    what: 'the end of the units',
    limitMs: Math.max(limitMs - (performance.now() - since), 1),
  }).catch(() => expect(units).toEqual([]))
}

/** Waits for as many lines `ready` on a client's stdout. */
export async function allReady(client: { stdout(): Buffer; stderr(): string }, count: number): Promise<void> {
  const ready = (): boolean => client.stdout().toString().split('ready\n').length - 1 === count
  await waitFor(ready, { what: `${count} servers`, limitMs: 30_000 }).catch((cause: unknown) => {
    throw new Error(`not all servers came up:\n${client.stdout()}\n${client.stderr()}`, { cause })
  })
}
