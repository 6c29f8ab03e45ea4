import type { Environment, World } from '../world.ts'

const LIMIT_MS = 30_000

/** How one call of a system tool ended. */
export interface ToolResult {
  readonly ok: boolean
  readonly stdout: string
  /** Its first line on stderr, or how else it ended; for messages. */
  readonly complaint: string
}

/** A system tool that is given its arguments. Never rejects. */
export type Tool = (...args: readonly string[]) => Promise<ToolResult>

/** @param env added to the program's own. */
export function tool(world: World, file: string, env: Environment = {}): Tool {
  return async (...args) => {
    const { end, stdout, stderr } = await world.processes.run({
      file,
      args,
      env: { ...world.env, ...env },
      cwd: '/',
      timeoutMs: LIMIT_MS,
    })
    const [line = ''] = stderr.trim().split('\n')
    return {
      ok: end.kind === 'exit' && end.code === 0,
      stdout: stdout.toString(),
      complaint: line === '' ? (end.kind === 'exit' ? `exit status ${end.code}` : end.kind) : line,
    }
  }
}
