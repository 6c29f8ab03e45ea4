import type { LaunchError } from '../errors.ts'
import { errorSentence } from '../report/messages.ts'
import type { World } from '../world.ts'

/** "Server error" of JSON-RPC 2.0's implementation-defined range. */
const SERVER_ERROR = -32_000

/** More than any client's first request; a stream without a line end is not MCP. */
const LONGEST_REQUEST_BYTES = 1024 * 1024

/**
 * Answers the client's first request with the error, so that the client shows the reason and not "server
 * disconnected". Waits for it until `deadline` (milliseconds since the epoch) or the end of input, and writes nothing
 * if there is none. MCP's stdio transport: one JSON-RPC message a line.
 */
export async function answerFirstRequest(world: World, error: LaunchError, deadline: number): Promise<void> {
  const id = await firstRequestId(world, deadline)
  if (id === undefined) return
  try {
    world.terminal.writeOut(`${JSON.stringify(errorResponse(id, error))}\n`)
  } catch {
    // The client has asked and gone, or never read: stderr has the reason, and the exit status tells.
  }
}

type RequestId = string | number

async function firstRequestId(world: World, deadline: number): Promise<RequestId | undefined> {
  let pending = Buffer.alloc(0)
  while (pending.length <= LONGEST_REQUEST_BYTES) {
    const chunk = await world.terminal.readInput(deadline)
    if (chunk === undefined || chunk === 'timeout') return requestId(pending.toString())
    const lines = Buffer.concat([pending, chunk])
    const end = lines.lastIndexOf(0x0a)
    for (const line of lines.toString('utf8', 0, end + 1).split('\n')) {
      const id = requestId(line)
      if (id !== undefined) return id
    }
    pending = lines.subarray(end + 1)
  }
  return undefined
}

/** The id of the request in a line; of the first one in a batch (JSON-RPC 2.0, MCP 2025-03-26). */
export function requestId(line: string): RequestId | undefined {
  let message: unknown
  try {
    message = JSON.parse(line)
  } catch {
    return undefined
  }
  const messages: unknown[] = Array.isArray(message) ? message : [message]
  return messages.map(idOfRequest).find((id) => id !== undefined)
}

/** A notification has no id, a response no method: neither is answered. */
function idOfRequest(message: unknown): RequestId | undefined {
  if (typeof message !== 'object' || message === null) return undefined
  const { id, method } = message as { id?: unknown; method?: unknown }
  if (typeof method !== 'string') return undefined
  return typeof id === 'string' || typeof id === 'number' ? id : undefined
}

function errorResponse(id: RequestId, error: LaunchError): unknown {
  const message = `mcp-launch: ${errorSentence(error)}`
  return { jsonrpc: '2.0', id, error: { code: SERVER_ERROR, message, data: { exitCode: error.exitCode } } }
}
