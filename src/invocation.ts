import { LaunchError } from './errors.ts'
import { didYouMean } from './nearest.ts'

/** What the command line asks for: a launch, or one of the commands, which commander takes apart. */
export type Invocation =
  | { readonly kind: 'command'; readonly argv: readonly string[] }
  | {
      readonly kind: 'launch'
      readonly server: string
      readonly extraArgs: readonly string[]
      readonly registry: string | undefined
    }

/** The words that are commands and no servers; a server of such a name is started with `run`. */
export const COMMANDS: readonly string[] = [
  'run',
  'explain',
  'check',
  'list',
  'init',
  'schema',
  'completion',
  'logs',
  'secrets',
  'timer',
  'ps',
  'stop',
  'gc',
  'help',
]

/**
 * Tells a launch from a command without loading commander, which a launch has no use for:
 * `mcp-launch [--registry FILE] [run] SERVER [--registry FILE] [-- ARGS…]`.
 */
export function parseInvocation(argv: readonly string[]): Invocation {
  const separator = argv.indexOf('--')
  const own = separator === -1 ? argv : argv.slice(0, separator)
  const { words, firstWordAt, registry, unknown } = splitOptions(own)
  const [first] = words
  if (first === undefined && unknown === undefined) throw noServer()
  const command: Invocation = { kind: 'command', argv: registryLast(argv, firstWordAt) }
  if (first === undefined || (first !== 'run' && COMMANDS.includes(first))) return command
  const [server, surplus] = first === 'run' ? words.slice(1) : words
  if (server === undefined && unknown !== undefined) return command
  if (server === undefined) throw noServer()
  const stray = unknown ?? surplus
  if (stray !== undefined) {
    throw new LaunchError('usage', {
      what: 'unexpected argument',
      subject: stray,
      hint:
        didYouMean(server, COMMANDS) ?? `the server's own arguments stand after "--": mcp-launch ${server} -- ${stray}`,
    })
  }
  return { kind: 'launch', server, extraArgs: separator === -1 ? [] : argv.slice(separator + 1), registry }
}

/** `--registry FILE` may stand before a command too; commander knows it behind only. */
function registryLast(argv: readonly string[], firstWordAt: number): readonly string[] {
  return argv[0]?.startsWith('--registry') ? [...argv.slice(firstWordAt), ...argv.slice(0, firstWordAt)] : argv
}

interface SplitOptions {
  readonly words: readonly string[]
  /** The index of the first word. */
  readonly firstWordAt: number
  readonly registry: string | undefined
  readonly unknown: string | undefined
}

function splitOptions(argv: readonly string[]): SplitOptions {
  const words: string[] = []
  let registry: string | undefined
  let unknown: string | undefined
  let firstWordAt = 0
  for (let index = 0; index < argv.length; index += 1) {
    const word = argv[index] as string
    if (word === '--registry') {
      index += 1
      registry = argv[index] ?? ''
    } else if (word.startsWith('--registry=')) {
      registry = word.slice('--registry='.length)
    } else if (word.startsWith('-')) {
      unknown ??= word
    } else {
      if (words.length === 0) firstWordAt = index
      words.push(word)
    }
  }
  if (registry === '') {
    throw new LaunchError('usage', { what: 'no file given to', subject: '--registry', hint: '--registry FILE' })
  }
  return { words, firstWordAt, registry, unknown }
}

function noServer(): LaunchError {
  return new LaunchError('usage', {
    what: 'no server named',
    hint: 'mcp-launch SERVER, where "mcp-launch list" tells the servers and "mcp-launch --help" all else',
  })
}
