import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import type { RequestOptions } from '@modelcontextprotocol/sdk/shared/protocol.js'
import { SUPPORTED_PROTOCOL_VERSIONS } from '@modelcontextprotocol/sdk/types.js'
import { WatchedTransport } from './watched-transport.ts'

/*
 * The official SDK's client, in a file of its own beside the bundle (build.mjs): with all that it needs it is half as
 * large as the rest, and a launch has no use for it. What crosses the border is plain data.
 */

/** A server to be started and talked to as a client does. */
export interface Call {
  readonly argv: readonly [string, ...string[]]
  /** In addition to the six variables that the SDK passes by itself. */
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  /** For the start, the handshake and the list of tools together. */
  readonly limitMs: number
  /** What the client calls itself. */
  readonly client: { readonly name: string; readonly version: string }
  /** Gives the conversation up, as if it were too late. */
  readonly stop: AbortSignal
  /** Told the pid before the server is asked to end: later nobody knows any more which processes were its children. */
  readonly beforeEnd: (pid: number) => void
}

/** What came of it. All texts are the server's own: they may hold anything. */
export interface Conversation {
  readonly pid: number | undefined
  /** Undefined if it didn't come to that. */
  readonly initialized?: { readonly protocol: string; readonly name: string; readonly version: string }
  /** How many; undefined if it didn't come to that, or if the server says that it has none. */
  readonly tools?: number
  /** From the start of the process to the last answer, or to the failure. */
  readonly readyMs: number
  readonly failure?: {
    /**
     * `refused`: it answered with an error. `protocol`: with a version that the SDK doesn't know. `silent`: it closed its
     * output and lives. `flooded`: there was no end to what is no JSON-RPC.
     */
    readonly kind: 'not started' | 'ended' | 'late' | 'refused' | 'protocol' | 'silent' | 'flooded'
    /** What the server or the SDK said; of `protocol` the server's version and, after a colon, the SDK's. */
    readonly message: string
  }
  readonly end: { readonly code: number | null; readonly signal: string | null }
  /** The strongest means that its end took. */
  readonly endedBy: 'itself' | 'end of input' | 'SIGTERM' | 'SIGKILL'
  /** Lines on stdout that are no JSON-RPC. */
  readonly stray: { readonly lines: number; readonly first: string }
  /** The last of it. */
  readonly stderr: string
}

/** `setTimeout` takes no more; the SDK's own time-outs must not come before ours. */
const LONGEST_MS = 2 ** 31 - 1

/** The SDK's own words (Client.connect). */
const UNKNOWN_PROTOCOL = /^Server's protocol version is not supported: (.*)$/s

/** Starts the server, shakes hands, asks for its tools, page by page, and ends it. Never rejects. */
export async function converse(call: Call): Promise<Conversation> {
  const limit = new AbortController()
  const transport = new WatchedTransport(call, () => limit.abort())
  const client = new Client(call.client)
  const timer = setTimeout(() => limit.abort(), call.limitMs)
  call.stop.addEventListener('abort', () => limit.abort())
  const options = { signal: limit.signal, timeout: LONGEST_MS, maxTotalTimeout: LONGEST_MS }
  const startedAt = performance.now()
  let tools: number | undefined
  let failure: Conversation['failure']
  try {
    tools = await Promise.race([talk(client, transport, options), transport.gone, aborted(limit.signal)])
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    const [, version] = UNKNOWN_PROTOCOL.exec(message) ?? []
    if (limit.signal.aborted) failure = { kind: 'late', message }
    else if (version === undefined) failure = { kind: await transport.failureKind(), message }
    else failure = { kind: 'protocol', message: `${version}: ${SUPPORTED_PROTOCOL_VERSIONS.join(', ')}` }
  }
  const readyMs = Math.round(performance.now() - startedAt)
  clearTimeout(timer)
  await client.close()
  const { end, endedBy } = await transport.ended()
  const { protocol, startedPid } = transport
  const server = client.getServerVersion()
  return {
    pid: startedPid,
    ...(server === undefined || protocol === undefined
      ? {}
      : { initialized: { protocol, name: server.name, version: server.version } }),
    ...(tools === undefined ? {} : { tools }),
    readyMs,
    ...(failure === undefined ? {} : { failure }),
    end,
    endedBy,
    stray: transport.stray(),
    stderr: transport.lastStderr(),
  }
}

async function talk(client: Client, transport: WatchedTransport, options: RequestOptions): Promise<number | undefined> {
  await client.connect(transport, options)
  if (client.getServerCapabilities()?.tools === undefined) return undefined
  let count = 0
  const seen = new Set<string>()
  for (let cursor: string | undefined, more = true; more; ) {
    const page = await client.listTools(cursor === undefined ? {} : { cursor }, options)
    count += page.tools.length
    cursor = page.nextCursor
    // A server that names a page twice would go on for ever.
    more = cursor !== undefined && !seen.has(cursor)
    if (cursor !== undefined) seen.add(cursor)
  }
  return count
}

/** The SDK's requests heed the signal; its writes to a server that doesn't read don't. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(new Error('too late')))
  })
}
