import { LaunchError } from '../../errors.ts'
import type { Finished, World } from '../../world.ts'
import { resolvePath } from '../path.ts'
import type { Ref } from '../ref.ts'
import { Secret } from '../secret.ts'
import { type Deadline, type Outcome, type Source, SourceError } from '../source.ts'
import { textOf } from '../text.ts'

type CommandRef = Extract<Ref, { kind: 'command' }>

/**
 * `{ command: [argv…] }`: a program's stdout, less one final newline. There is no shell, stdin is empty so that
 * nothing can wait for an answer, and what it says on stderr goes into the error message.
 */
export function commandSource(world: World, baseDirectory: string): Source {
  return {
    async resolve(refs, deadline) {
      const own = refs.filter((ref) => ref.kind === 'command')
      const outcomes = await Promise.all(own.map((ref) => readValue(world, baseDirectory, ref, deadline)))
      return new Map(own.map((ref, index) => [ref.text, outcomes[index] as Outcome]))
    },
  }
}

async function readValue(world: World, base: string, ref: CommandRef, deadline: Deadline): Promise<Outcome> {
  const [file, ...args] = ref.argv.map((word) => (word.startsWith('~/') ? resolvePath(world, base, word) : word))
  const timeoutMs = Math.max(1, deadline - world.now())
  const program = { file: file ?? '', args, env: world.env, cwd: base, timeoutMs }
  const finished = await world.processes.run(program)
  if (finished.end.kind !== 'exit' || finished.end.code !== 0) return failure(ref, finished, timeoutMs)
  const value = textOf(finished.stdout)
  if (value !== undefined && value !== '') return new Secret(value)
  return new LaunchError('failure', {
    what: "can't resolve",
    subject: name(ref),
    why: value === undefined ? 'what it printed is no UTF-8 text' : `it printed nothing${lastWords(finished)}`,
    hint: 'run the command by hand and see what it prints',
  })
}

/** The program alone: its arguments are the user's, and long. */
function name(ref: CommandRef): string {
  return `command ${ref.argv[0]}`
}

function failure(ref: CommandRef, finished: Finished, timeoutMs: number): LaunchError {
  const { end } = finished
  const subject = name(ref)
  const fault = { what: "can't resolve", subject }
  switch (end.kind) {
    case 'timeout':
      return new LaunchError('unavailable', {
        ...fault,
        why: `no answer within ${timeoutMs / 1000} s${lastWords(finished)}`,
        hint: 'run it by hand: it may be waiting for an unlock; or raise "resolveTimeout" under "cache"',
      })
    case 'not-started':
      return new SourceError('not-asked', {
        ...fault,
        why: end.errno === 'ENOENT' ? 'not found on the PATH' : `it can't be started (${end.errno})`,
        hint: "install it, or give its absolute path; a desktop client's PATH is shorter than a shell's",
      })
    case 'too-much-output':
      return new LaunchError('failure', { ...fault, why: 'it printed too much', hint: 'let it print the value alone' })
    case 'signal':
      return new LaunchError('failure', { ...fault, why: `it was ended by ${end.signal}${lastWords(finished)}` })
    case 'exit':
      return new LaunchError(end.code === 75 ? 'unavailable' : 'failure', {
        ...fault,
        why: `it ended with ${end.code}${lastWords(finished)}`,
        hint: 'run the command by hand and see what it says',
      })
  }
}

const LAST_WORDS = 300

/**
 * The end of what it said on stderr. A program that prints the value itself there as well is not quoted: its stdout
 * would then be found in its stderr.
 */
function lastWords({ stdout, stderr }: Finished): string {
  const said = stderr.trim()
  if (said === '') return ''
  const value = stdout.toString().trim()
  if (value !== '' && said.includes(value)) return '; its stderr repeats what it printed and is left out'
  return `: ${said.split('\n').slice(-3).join(' / ').slice(-LAST_WORDS)}`
}
