import { errnoWords, LaunchError } from '../errors.ts'
import type { Environment, World } from '../world.ts'
import { assertFits } from './argument-space.ts'
import { buildEnvironment } from './environment.ts'
import type { Plan } from './plan.ts'
import { removeSecretFiles, writeSecretFiles } from './secret-files.ts'

/**
 * Does what the plan says: this process becomes the server. It returns only by throwing, and once `execve` has been
 * called nothing of the launcher is left.
 *
 * @param record writes down that the server is started, when nothing of the launcher's own can fail any more.
 */
export function execute(world: World, plan: Plan, record: () => void): never {
  assertCanReplace(world, plan)
  const env = buildEnvironment(plan.variables)
  assertFits(world, plan, env)
  writeSecretFiles(world, plan)
  try {
    record()
    assertClientLives(world, plan)
    return replace(world, plan, env)
  } catch (error) {
    removeSecretFiles(world, plan)
    throw error
  }
}

/** What {@link execute} would refuse, for `explain`: nothing is written and nobody is replaced. */
export function foreseeRefusals(world: World, plan: Plan): LaunchError[] {
  const checks = [() => assertCanReplace(world, plan), () => assertFits(world, plan, buildEnvironment(plan.variables))]
  return checks.flatMap((check) => {
    try {
      check()
      return []
    } catch (error) {
      if (error instanceof LaunchError) return [error]
      throw error
    }
  })
}

/** PR_SET_PDEATHSIG is not sent for a parent that was dead before the call (prctl(2)). */
function assertClientLives(world: World, { server, boundTo }: Plan): void {
  if (boundTo === undefined || world.parentPid() === boundTo) return
  throw new LaunchError('failure', {
    what: "won't start server",
    subject: server,
    why: boundTo === 0 ? 'its client has ended' : `its client (pid ${boundTo}) has ended`,
  })
}

function replace(world: World, plan: Plan, env: Environment): never {
  try {
    return world.processes.replace({ file: plan.argv[0], argv: plan.argv, env, cwd: plan.cwd })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === 'chdir') throw cantEnter(plan, error)
    throw new LaunchError('notExecutable', {
      what: "can't start server",
      subject: plan.server,
      why: errnoWords(error),
      hint: `try its command by hand: ${plan.argv[0]}`,
      cause: error,
    })
  }
}

function cantEnter({ server, cwd }: Plan, error: unknown): LaunchError {
  return new LaunchError('failure', {
    what: `can't start server "${server}", can't enter directory`,
    subject: cwd,
    why: errnoWords(error),
    hint: `mend "cwd" of server "${server}" in the registry`,
  })
}

/** Said before anything is resolved: without `execve` no launch can end well. */
export function assertCanReplace(world: World, plan: Pick<Plan, 'server'>): void {
  if (world.processes.canReplace) return
  throw new LaunchError('failure', {
    what: "can't start server",
    subject: plan.server,
    why: `${world.processes.runtime} can't replace itself by another program (no execve)`,
    hint: 'use node 22.15 or newer, or the native mcp-launch executable, which needs no node',
  })
}
