import { LaunchError } from '../errors.ts'
import type { Environment, World } from '../world.ts'
import type { Plan } from './plan.ts'

/** Linux takes no single string of more bytes (MAX_ARG_STRLEN, less its NUL). */
const LONGEST_STRING = 131_071

/** For all strings together: a quarter of the stack's limit, in these bounds (execve(2)). */
const LEAST_TOTAL = 131_072
const GREATEST_TOTAL = 6_291_456

/**
 * Refuses what Linux would (E2BIG), because Node 22 and 24 abort where `execve` fails, and no runtime says which
 * variable it was.
 *
 * @throws LaunchError `notExecutable` that names the variables that are too long, never a value.
 */
export function assertFits(world: World, { server, argv }: Pick<Plan, 'server' | 'argv'>, env: Environment): void {
  if (world.platform !== 'linux') return
  const variables = Object.entries(env).map(([name, value]) => ({ name, bytes: Buffer.byteLength(`${name}=${value}`) }))
  const words = argv.map((word) => Buffer.byteLength(word))
  const long = variables.filter(({ bytes }) => bytes > LONGEST_STRING).map(({ name }) => name)
  if (long.length > 0) {
    throw tooLong(server, `too long for a variable: ${long.join(', ')}`, 'hand a secret over as a file (as: file)')
  }
  if (words.some((bytes) => bytes > LONGEST_STRING)) {
    throw tooLong(server, 'an argument is too long', 'shorten its "args" in the registry')
  }
  // Each string has a NUL and a pointer.
  const total = [...words, ...variables.map(({ bytes }) => bytes)].reduce((sum, bytes) => sum + bytes + 9, 0)
  if (total > totalSpace(world)) {
    throw tooLong(
      server,
      'its arguments and variables are too long together',
      'set "inheritEnv: minimal", or raise ulimit -s',
    )
  }
}

function tooLong(server: string, why: string, hint: string): LaunchError {
  return new LaunchError('notExecutable', { what: "can't start server", subject: server, why, hint })
}

function totalSpace(world: World): number {
  const quarter = Math.floor(stackLimit(world) / 4)
  return Math.max(LEAST_TOTAL, Math.min(quarter, GREATEST_TOTAL))
}

/** Bytes; Infinity where there is none or where it can't be told. */
function stackLimit(world: World): number {
  try {
    const limits = world.files.read('/proc/self/limits').toString('latin1')
    const soft = Number(/^Max stack size\s+(\S+)/m.exec(limits)?.[1])
    return Number.isNaN(soft) ? Number.POSITIVE_INFINITY : soft
  } catch {
    return Number.POSITIVE_INFINITY
  }
}
