import { LaunchError } from '../errors.ts'
import { didYouMean } from '../nearest.ts'
import { seconds } from '../span.ts'
import type { Environment } from '../world.ts'

/**
 * How an MCP client starts a server. Read in the clients' sources and documentation, or said by their users; gathered
 * in facts/clients.md, from which every line here is taken.
 */
export interface ClientProfile {
  readonly name: string
  /** `all` of its own variables, these and no others, or not known. */
  readonly passes: 'all' | readonly string[] | 'unknown'
  /** What it sets itself. */
  readonly sets?: (cwd: string) => Environment
  /** From the start to the list of tools, in milliseconds; undefined: it has no limit, or none is known. */
  readonly deadlineMs?: number
  /** The variable in which a user sets another limit, in milliseconds. */
  readonly deadlineVariable?: string
}

/** `getDefaultEnvironment` of the official TypeScript SDK; the Python SDK has the same list. */
const SDK_SIX = ['HOME', 'LOGNAME', 'PATH', 'SHELL', 'TERM', 'USER']

/** codex-rs, `DEFAULT_ENV_VARS`: the environment is cleared first. */
const CODEX = ['HOME', 'LOGNAME', 'PATH', 'SHELL', 'USER', 'LANG', 'LC_ALL', 'TERM', 'TMPDIR', 'TZ']

const CLIENTS: readonly ClientProfile[] = [
  // A first try that ends at 3 s and is repeated was said, and is not counted here.
  {
    name: 'claude-code',
    passes: 'all',
    sets: (cwd) => ({ CLAUDECODE: '1', CLAUDE_CODE_SESSION_ID: 'mcp-launch-check', CLAUDE_PROJECT_DIR: cwd }),
    deadlineMs: 30_000,
    deadlineVariable: 'MCP_TIMEOUT',
  },
  // "A short list": it is built with the TypeScript SDK. The limit of 5 s that was said is of Windows.
  { name: 'claude-desktop', passes: SDK_SIX },
  { name: 'cursor', passes: 'unknown' },
  // No limit was found in its source.
  { name: 'vscode', passes: 'all' },
  // The limit was said.
  { name: 'roo', passes: SDK_SIX, deadlineMs: 60_000 },
  { name: 'cline', passes: SDK_SIX, deadlineMs: 60_000 },
  { name: 'windsurf', passes: 'unknown' },
  { name: 'zed', passes: 'unknown', deadlineMs: 60_000 },
  { name: 'warp', passes: 'unknown' },
  // `startup_timeout_sec`.
  { name: 'codex', passes: CODEX, deadlineMs: 10_000 },
  // `timeout`.
  { name: 'gemini', passes: 'all', deadlineMs: 600_000 },
  // `timeout`.
  { name: 'opencode', passes: 'all', deadlineMs: 5_000 },
  // `timeout`.
  { name: 'goose', passes: 'unknown', deadlineMs: 300_000 },
  // `timeout`.
  { name: 'crush', passes: 'all', deadlineMs: 15_000 },
  // "Safe" variables, of which there is no list.
  { name: 'copilot', passes: 'unknown' },
  { name: 'continue', passes: 'unknown' },
  { name: 'lm-studio', passes: 'unknown' },
  { name: 'junie', passes: 'unknown' },
  { name: 'amazon-q', passes: 'unknown' },
  { name: 'kiro', passes: 'unknown' },
]

export const CLIENT_NAMES: readonly string[] = CLIENTS.map(({ name }) => name)

/** The client of that name. Throws `usage`, with the nearest names, for one that isn't known. */
export function clientNamed(name: string): ClientProfile {
  const found = CLIENTS.find((client) => client.name === name)
  if (found !== undefined) return found
  throw new LaunchError('usage', {
    what: 'unknown client',
    subject: name,
    hint: didYouMean(name, CLIENT_NAMES) ?? `choose one of ${CLIENT_NAMES.join(', ')}`,
  })
}

/** The environment that this client gives to a server, made of our own. Where it isn't known, the leanest is taken. */
export function environmentOf({ passes, sets }: ClientProfile, own: Environment, cwd: string): Environment {
  const names = passes === 'unknown' ? SDK_SIX : passes
  const given = names === 'all' ? own : Object.fromEntries(Object.entries(own).filter(([name]) => names.includes(name)))
  return { ...given, ...sets?.(cwd) }
}

/** The variable that has made the client's limit shorter than its own, if one has. */
export function shortenedBy(client: ClientProfile, own: Environment): string | undefined {
  const { deadlineMs: usual = Number.POSITIVE_INFINITY, deadlineVariable } = client
  return (deadlineOf(client, own) ?? usual) < usual ? deadlineVariable : undefined
}

/** In milliseconds; undefined if it isn't known. */
export function deadlineOf({ deadlineMs, deadlineVariable }: ClientProfile, own: Environment): number | undefined {
  const set = deadlineVariable === undefined ? Number.NaN : Number(own[deadlineVariable] || Number.NaN)
  return Number.isFinite(set) && set > 0 ? set : deadlineMs
}

/** What is done as that client, in words. */
export function profileWords(client: ClientProfile, deadlineMs: number | undefined): string {
  const names = typeof client.passes === 'string' ? [] : client.passes
  const passed = {
    all: 'it passes all of your variables',
    unknown: `what it passes isn't known, so the least is: ${SDK_SIX.join(' ')}`,
    some: `it passes ${names.join(' ')}`,
  }[typeof client.passes === 'string' ? client.passes : 'some']
  const limit = deadlineMs === undefined ? 'no time limit is known' : `servers have ${seconds(deadlineMs)} to get ready`
  return `${passed}; ${limit}`
}
