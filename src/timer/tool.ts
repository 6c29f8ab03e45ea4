import { complaintOf } from '../complaint.ts'
import type { Answer } from '../lifecycle/manager.ts'
import type { World } from '../world.ts'

/** Of one call, in milliseconds. */
export const LIMIT_MS = 30_000

/** A system tool that is given its arguments. Never rejects. */
export type Tool = (...args: readonly string[]) => Promise<Answer>

/** One that needs nothing of the user's environment. */
export function tool(world: World, file: string): Tool {
  return async (...args) => {
    const env = { LC_ALL: 'C', PATH: world.env['PATH'] ?? '' }
    const finished = await world.processes.run({ file, args, env, cwd: '/', timeoutMs: LIMIT_MS })
    const ok = finished.end.kind === 'exit' && finished.end.code === 0
    const name = file.slice(file.lastIndexOf('/') + 1)
    return { ok, stdout: finished.stdout.toString(), complaint: ok ? '' : complaintOf(name, finished) }
  }
}
