import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'

/** A connected client of the official SDK. */
export interface Connected {
  readonly client: Client
  /** Of what the client started. */
  readonly pid: number
  /** All text so far. */
  stderr(): string
  /** Calls a tool and returns the text of its answer. */
  call(tool: string, args?: Record<string, unknown>): Promise<string>
  /** As a client does it: ends the server's stdin, then asks by SIGTERM, then kills. */
  close(): Promise<void>
}

export interface ConnectOptions {
  readonly command: string
  readonly args?: readonly string[]
  /** In addition to the six variables that the SDK passes by itself, and instead of them where the names are the same. */
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
}

/**
 * Starts an MCP server as the official SDK's client does, and shakes hands with it.
 * @throws the SDK's error, with what the server said on stderr, if it doesn't come to that.
 */
export async function connect({ command, args = [], env = {}, cwd = '/' }: ConnectOptions): Promise<Connected> {
  const transport = new StdioClientTransport({ command, args: [...args], env: { ...env }, cwd, stderr: 'pipe' })
  let stderr = ''
  transport.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  const client = new Client({ name: 'mcp-launch-tests', version: '1.0.0' })
  let pid = 0
  const start = transport.start.bind(transport)
  transport.start = async () => {
    await start()
    pid = transport.pid ?? 0
  }
  try {
    await client.connect(transport)
  } catch (cause) {
    await client.close()
    throw new Error(`no handshake with ${command}: ${(cause as Error).message}; it said: ${stderr.trim()}`, { cause })
  }
  return {
    client,
    pid,
    stderr: () => stderr,
    async call(tool, toolArgs = {}) {
      const { content } = await client.callTool({ name: tool, arguments: toolArgs })
      return (content as { text?: string }[]).map(({ text }) => text ?? '').join('')
    },
    close: () => client.close(),
  }
}
