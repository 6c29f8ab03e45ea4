import { homeDirectory } from '../directories.ts'
import { EXIT, LaunchError } from '../errors.ts'
import type { World } from '../world.ts'
import { agentText, LABEL } from './launchd-text.ts'
import { isOwn, removeOwn, writeOwn } from './own-files.ts'
import type { RunResult, Scheduler } from './scheduler.ts'
import type { Tool } from './tool.ts'

/** A LaunchAgent in the domain of the user's graphical session, launchctl(1). */
export function launchAgent(world: World, launchctl: Tool): Scheduler {
  const path = `${homeDirectory(world)}/Library/LaunchAgents/${LABEL}.plist`
  const domain = `gui/${world.uid}`
  const service = `${domain}/${LABEL}`
  return {
    kind: 'launchd',
    async install(job) {
      const changed = await writeOwn(world, { [path]: agentText(job) })
      const isLoaded = (await launchctl('print', service)).ok
      // launchd reads the file when it is loaded, and never again.
      if (isLoaded && changed.length > 0) await launchctl('bootout', service)
      if (!isLoaded || changed.length > 0) await bootstrap(launchctl, domain, path)
      return { kind: 'launchd', files: [path], changed }
    },
    async remove() {
      if (isOwn(world, path)) await launchctl('bootout', service)
      return { kind: 'launchd', files: removeOwn(world, [path]) }
    },
    async status() {
      const { ok, stdout } = await launchctl('print', service)
      const lastResult = ok ? resultOf(stdout) : undefined
      return {
        kind: 'launchd',
        installed: isOwn(world, path),
        active: ok,
        ...(lastResult === undefined ? {} : { lastResult }),
      }
    },
  }
}

async function bootstrap(launchctl: Tool, domain: string, path: string): Promise<void> {
  const { ok, complaint } = await launchctl('bootstrap', domain, path)
  if (ok) return
  throw new LaunchError('failure', {
    what: `launchctl bootstrap ${domain} failed`,
    why: complaint,
    hint: 'run it again from a terminal of the graphical session',
  })
}

/** `launchctl print` is made for people: what can't be read in it is left out. */
function resultOf(printed: string): RunResult | undefined {
  if (/^\s*state = running$/m.test(printed)) return { outcome: 'running' }
  const status = /^\s*last exit code = (\d+)/m.exec(printed)?.[1]
  if (status === undefined) return undefined
  if (status === '0') return { outcome: 'success' }
  return status === String(EXIT.unavailable)
    ? { outcome: 'unavailable' }
    : { outcome: 'failure', how: `exit status ${status}` }
}
