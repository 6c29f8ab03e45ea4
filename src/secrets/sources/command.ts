import { LaunchError } from '../../errors.ts'
import { seconds } from '../../span.ts'
import type { Finished, World } from '../../world.ts'
import { resolvePath } from '../path.ts'
import type { Ref } from '../ref.ts'
import { scrub } from '../scrub.ts'
import { Secret } from '../secret.ts'
import { type Deadline, type Outcome, type Source, SourceError } from '../source.ts'
import { textOf } from '../text.ts'

type CommandRef = Extract<Ref, { kind: 'command' }>

/**
 * `{ command: [argv…] }`: a program's stdout, less one final newline. There is no shell, stdin is empty so that
 * nothing can wait for an answer, and what it says on stderr is the detail of the error.
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
  const program = { file: file ?? '', args, env: world.env, cwd: base, timeoutMs, endsWithUs: true } as const
  const finished = await world.processes.run(program)
  if (finished.end.kind !== 'exit' || finished.end.code !== 0) return failure(ref, finished, timeoutMs)
  const value = textOf(finished.stdout)
  if (value !== undefined && value !== '') return new Secret(value)
  return new LaunchError('failure', {
    what: "can't resolve",
    subject: name(ref),
    why: value === undefined ? 'what it printed is no UTF-8 text' : 'it printed nothing',
    ...said(finished),
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
        why: `no answer within ${seconds(timeoutMs)}`,
        ...said(finished),
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
      return new LaunchError('failure', { ...fault, why: `it was ended by ${end.signal}`, ...said(finished) })
    case 'exit':
      return new LaunchError(end.code === 75 ? 'unavailable' : 'failure', {
        ...fault,
        why: `it ended with ${end.code}`,
        ...said(finished),
        hint: 'run the command by hand and see what it says',
      })
  }
}

const SAID_CHARACTERS = 300
/** More than is shown, so that a part of a value that begins before it is recognised. */
const SCRUBBED_CHARACTERS = 2 * SAID_CHARACTERS
/** A program that fails prints little, and one with more to say has printed all that may be secret. */
const PRINTED_BYTES = 4096

/** The end of what it said on stderr, less whatever it has printed too: a failing program may say the secret itself. */
function said({ stdout, stderr }: Finished): { detail?: string } {
  const text = stderr.trim().slice(-SCRUBBED_CHARACTERS)
  if (text === '') return {}
  if (stdout.length > PRINTED_BYTES) return { detail: 'it printed so much that its stderr is left out' }
  const lines = scrub(text, printed(stdout.toString())).trim().split('\n').slice(-3)
  return { detail: lines.join(' / ').slice(-SAID_CHARACTERS) }
}

/** A PIN has four digits; shorter words are in ordinary ones as well. */
const SHORTEST_WORD = 4

/** Its output as a whole, and each word of it, since what is short is only recognised as a whole. */
function printed(stdout: string): Secret[] {
  const words = stdout.split(/\s+/).filter((word) => word.length >= SHORTEST_WORD)
  return [...new Set([stdout, ...words])].map((text) => new Secret(text))
}
