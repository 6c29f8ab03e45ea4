import { readdirSync, readFileSync } from 'node:fs'
import { onTestFinished } from 'vitest'
import { startPrivateManager } from './private-manager.ts'
import type { UserManager } from './user-manager.ts'

export interface OwnManager {
  readonly manager: UserManager
  readonly runtimeDir: string
  readonly pid: number
}

/** A manager of one test's own, which may be stopped and changed. Needs root. */
export async function ownManager(): Promise<OwnManager> {
  const { runtimeDir, stop } = await startPrivateManager()
  onTestFinished(stop)
  const pid = readdirSync('/proc').find((name) => /^\d+$/.test(name) && isManager(name, runtimeDir))
  return { manager: { runtimeDir, kind: 'private', limits: true }, runtimeDir, pid: Number(pid) }
}

function isManager(pid: string, runtimeDir: string): boolean {
  try {
    const environment = readFileSync(`/proc/${pid}/environ`, 'latin1')
    return readFileSync(`/proc/${pid}/comm`, 'utf8') === 'systemd\n' && environment.includes(`=${runtimeDir}\0`)
  } catch {
    return false
  }
}
