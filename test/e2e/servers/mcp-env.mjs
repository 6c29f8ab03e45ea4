// A real MCP server with one tool, `env`: which variables there are, and the SHA-256 of one of them, never a value.
import { createHash } from 'node:crypto'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
import { z } from 'zod'

const server = new McpServer({ name: 'mcp-env', version: '1.0.0' })

server.registerTool('env', { description: 'variables', inputSchema: { name: z.string().optional() } }, ({ name }) => {
  const value = name === undefined ? undefined : process.env[name]
  const sha256 = value === undefined ? null : createHash('sha256').update(value).digest('hex')
  const answer = { pid: process.pid, names: Object.keys(process.env).sort(), sha256 }
  return { content: [{ type: 'text', text: JSON.stringify(answer) }] }
})

await server.connect(new StdioServerTransport())
