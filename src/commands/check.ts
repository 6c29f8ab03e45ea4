import { check as checkAll } from '../check/check.ts'
import { clientNamed } from '../check/clients.ts'
import { exitStatus, type Finding } from '../check/finding.ts'
import { findingText, summaryText } from '../report/check.ts'
import { LiveOutput } from '../report/live-output.ts'
import type { World } from '../world.ts'

export interface CheckOptions {
  readonly registry?: string
  readonly json?: boolean
  readonly as?: string
}

/**
 * `mcp-launch check [server…]`: what a launch depends on, then a real launch of each server with a real handshake.
 *
 * @returns what the worst finding asks for: 2 for an error in the registry, 1 for any other that lasts, 75 if all errors
 *   are of sources that are unavailable for now, else 0: a warning fails nothing.
 */
export async function check(world: World, servers: readonly string[], options: CheckOptions): Promise<number> {
  const client = options.as === undefined ? undefined : clientNamed(options.as)
  const { terminal } = world
  const output = options.json ? undefined : new LiveOutput(terminal)
  const findings: Finding[] = []
  const request = {
    servers,
    ...(options.registry === undefined ? {} : { registry: options.registry }),
    ...(client === undefined ? {} : { client }),
  }
  await checkAll(world, request, {
    report: (finding) => {
      findings.push(finding)
      output?.write(findingText(finding))
    },
    doing: (what) => output?.doing(`checking ${what}`),
  })
  output?.doing(undefined)
  output?.write(summaryText(findings))
  const exitCode = exitStatus(findings)
  if (options.json) terminal.writeOut(`${JSON.stringify({ exitCode, findings }, null, 2)}\n`)
  return exitCode
}
