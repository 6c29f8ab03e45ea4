/** The first line that a client sends. */
export const INITIALIZE = request(0, 'initialize', {
  protocolVersion: '2025-06-18',
  capabilities: {},
  clientInfo: { name: 'mcp-launch-tests', version: '1.0.0' },
})

/** A JSON-RPC request as a line of MCP's stdio transport. */
export function request(id: number | string, method: string, params: object = {}): string {
  return message({ id, method, params })
}

/** A JSON-RPC notification as such a line: nobody answers it. */
export function notification(method: string): string {
  return message({ method })
}

function message(fields: object): string {
  return `${JSON.stringify({ jsonrpc: '2.0', ...fields })}\n`
}

/** The answer to a request that failed. */
export interface ErrorAnswer {
  readonly jsonrpc: '2.0'
  readonly id: number | string
  readonly error: { readonly code: number; readonly message: string; readonly data: { readonly exitCode: number } }
}

/** The lines of stdout as what they must be, JSON each. */
export function answers(stdout: string): ErrorAnswer[] {
  return stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as ErrorAnswer)
}
