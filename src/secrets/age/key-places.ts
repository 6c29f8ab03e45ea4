import { resolve } from 'node:path'
import { errnoWords, LaunchError } from '../../errors.ts'
import { assertOnlyOwnerReads } from '../../permissions.ts'
import type { Finished, World } from '../../world.ts'
import type { Deadline } from '../source.ts'
import { shellWords } from './words.ts'

/** Somewhere that age identities may be kept. */
export interface KeyPlace {
  /** How messages call it: a variable's name or a path. */
  readonly name: string
  readonly layout: 'lines' | 'words'
  /** Whether it may answer differently for each recipient. */
  readonly asksByRecipient: boolean
  /** The text with the identities; undefined if the place isn't in use. Throws a `LaunchError` if it can't be read. */
  read(recipient: string | undefined, deadline: Deadline): Promise<string | undefined>
}

/**
 * Where SOPS looks for age identities, in the order that its documentation gives.
 * https://getsops.io/docs/#encrypting-using-age
 */
export function keyPlaces(world: World): readonly KeyPlace[] {
  return [
    { ...place('SOPS_AGE_KEY', () => world.env['SOPS_AGE_KEY']), layout: 'words' },
    place('SOPS_AGE_KEY_FILE', () => {
      const path = world.env['SOPS_AGE_KEY_FILE']
      return path === undefined ? undefined : readKeyFile(world, resolve(world.cwd, path))
    }),
    {
      ...place('SOPS_AGE_KEY_CMD', () => undefined),
      asksByRecipient: true,
      read: (recipient, deadline) => runKeyCommand(world, recipient, deadline),
    },
    ...defaultKeyFiles(world).map((path) =>
      place(path, () => (world.files.stat(path) === undefined ? undefined : readKeyFile(world, path))),
    ),
  ]
}

function place(name: string, read: () => string | undefined): KeyPlace {
  // Within `then`, so that a throw is a rejection.
  return { name, layout: 'lines', asksByRecipient: false, read: () => Promise.resolve().then(read) }
}

/** The first of these is where a hint tells the user to put a key. */
export function defaultKeyFiles({ env, platform }: World): readonly string[] {
  const home = env['HOME']?.startsWith('/') ? env['HOME'] : undefined
  const config = env['XDG_CONFIG_HOME']?.startsWith('/') ? env['XDG_CONFIG_HOME'] : home && `${home}/.config`
  const library = platform === 'darwin' ? home && `${home}/Library/Application Support` : undefined
  return [config, library].filter((directory) => directory !== undefined).map((it) => `${it}/sops/age/keys.txt`)
}

function readKeyFile(world: World, path: string): string {
  try {
    const stat = world.files.stat(path)
    if (stat !== undefined) assertOnlyOwnerReads(world, path, stat, 'key file')
    return world.files.readAny(path).toString('utf8')
  } catch (error) {
    if (error instanceof LaunchError) throw error
    throw new LaunchError('failure', {
      what: "can't read key file",
      subject: path,
      why: errnoWords(error),
      hint: 'correct SOPS_AGE_KEY_FILE, or make the file readable for yourself',
    })
  }
}

async function runKeyCommand(
  world: World,
  recipient: string | undefined,
  deadline: Deadline,
): Promise<string | undefined> {
  const line = world.env['SOPS_AGE_KEY_CMD']
  if (line === undefined) return undefined
  const [file, ...args] = shellWords(line) ?? []
  if (file === undefined) throw commandFailed('it is empty or has an open quote')
  const finished = await world.processes.run({
    file,
    args,
    env: recipient === undefined ? world.env : { ...world.env, SOPS_AGE_RECIPIENT: recipient },
    cwd: world.cwd,
    timeoutMs: Math.max(1, deadline - world.now()),
    endsWithUs: true,
  })
  if (finished.end.kind === 'timeout') throw commandFailed('it took too long', 'unavailable')
  if (finished.end.kind !== 'exit' || finished.end.code !== 0) throw commandFailed(endWords(finished.end))
  return finished.stdout.toString('utf8')
}

/** Without what the command wrote: that may be a key. */
function commandFailed(why: string, code: 'failure' | 'unavailable' = 'failure'): LaunchError {
  return new LaunchError(code, {
    what: "can't get a key from",
    subject: 'SOPS_AGE_KEY_CMD',
    why,
    hint: 'run that command by hand: it must print age identities and nothing else',
  })
}

/** How a program ended, in words. */
export function endWords(end: Finished['end']): string {
  switch (end.kind) {
    case 'exit':
      return `it ended with exit status ${end.code}`
    case 'signal':
      return `it was ended by ${end.signal}`
    case 'timeout':
      return 'it took too long'
    case 'too-much-output':
      return 'it wrote too much'
    case 'not-started':
      return end.errno === 'ENOENT' ? 'there is no such program' : `it can't be started (${end.errno})`
  }
}
