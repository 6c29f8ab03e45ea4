// A real MCP client talks to a real MCP server that mcp-launch starts, with a secret from an encrypted file.
// Everything happens in a new, empty home directory, which is removed at the end.

import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'

const root = join(import.meta.dirname, '..')
const launcher = join(root, 'dist/mcp-launch')
const home = mkdtempSync(join(tmpdir(), 'mcp-launch-demo-'))
const started = performance.now()

try {
  await tell()
} finally {
  rmSync(home, { recursive: true })
}

async function tell() {
  step('A person has one registry of MCP servers, and a secret that is encrypted at rest (SOPS with age).')
  furnish()
  show(readFileSync(join(home, '.config/mcp/servers.yaml'), 'utf8').split('\n').slice(1))
  show(readFileSync(join(home, '.config/mcp/secrets/demo.yaml'), 'utf8').split('\n').slice(1, 3), 76)

  step('The MCP client knows nothing but this; there is no key in it:')
  show(['{ "command": "mcp-launch", "args": ["weather"] }'])

  step('It starts the server and speaks MCP with it (the official SDK, server-everything):')
  const transport = new StdioClientTransport({
    command: launcher,
    args: ['weather'],
    env: environment(),
    stderr: 'inherit',
  })
  const client = new Client({ name: 'mcp-launch-demo', version: '1.0.0' })
  const before = performance.now()
  await client.connect(transport)
  const { name, version } = client.getServerVersion()
  const { tools } = await client.listTools()
  show([
    `${name} ${version} answered after ${Math.round(performance.now() - before)} ms with ${tools.length} tools:`,
    tools.map((tool) => tool.name).join(', '),
  ])

  step('The server has the secret in its environment, and nobody else has:')
  const answer = await client.callTool({ name: 'get-env', arguments: {} })
  const { WEATHER_API_KEY: secret } = JSON.parse(answer.content[0].text)
  if (secret === undefined) throw new Error('the secret did not reach the server')
  const command = commandLine(transport.pid)
  if (command.includes(secret)) throw new Error('the secret is in the command line')
  show([`WEATHER_API_KEY=${masked(secret)}`])

  step(`The launcher has gone: its pid ${transport.pid} is the server now.`)
  show([command, ...scope(transport.pid)])

  step('The client goes, and nothing is left running.')
  const { pid } = transport
  await client.close()
  if (alive(pid)) throw new Error(`process ${pid} is still there`)
  show([`pid ${pid} has ended; the whole story took ${((performance.now() - started) / 1000).toFixed(1)} s`])
  console.log(
    '\nNext: "mcp-launch init" writes a registry of your own, "mcp-launch explain SERVER" tells what a launch does.',
  )
}

/** Keys and registries are refused where others could read or write them, so the copies get strict modes. */
function furnish() {
  const copies = [
    ['servers.yaml', '.config/mcp/servers.yaml'],
    ['secrets/demo.yaml', '.config/mcp/secrets/demo.yaml'],
    // Where sops itself looks for keys.
    ['demo-age-key.txt', '.config/sops/age/keys.txt'],
  ]
  for (const [from, to] of copies) {
    mkdirSync(join(home, to, '..'), { recursive: true, mode: 0o700 })
    copyFileSync(join(root, 'examples', from), join(home, to))
    chmodSync(join(home, to), 0o600)
  }
}

/** What the SDK passes on, and nothing more: the six variables of most clients. */
function environment() {
  const { LOGNAME, PATH, SHELL, TERM, USER } = process.env
  return Object.fromEntries(
    Object.entries({ HOME: home, LOGNAME, PATH, SHELL, TERM, USER }).filter(([, value]) => value),
  )
}

function scope(pid) {
  const explained = spawnSync(launcher, ['explain', 'weather', '--json'], { env: environment(), encoding: 'utf8' })
  const { wrappers } = JSON.parse(explained.stdout)
  const { used, why } = wrappers.find((wrapper) => wrapper.name === 'systemd-run')
  if (!used) return [`no systemd scope here (${why.replace(/^left out: /, '')})`]
  const unit = /mcp-weather-\d+\.scope/.exec(readFileSync(`/proc/${pid}/cgroup`, 'utf8'))?.[0]
  if (unit !== `mcp-weather-${pid}.scope`) throw new Error(`the server is not in its scope but in ${unit}`)
  return [`in its own systemd scope ${unit}, with memoryMax 1G and tasksMax 100`]
}

function commandLine(pid) {
  if (!existsSync('/proc'))
    return spawnSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' }).stdout.trim()
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ').trim()
}

function alive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

function masked(secret) {
  return `${secret.slice(0, 3)}${'*'.repeat(secret.length - 3)}`
}

function step(text) {
  console.log(`\n${text}`)
}

function show(lines, width = 110) {
  for (const line of lines.filter((text) => text.trim() !== '')) {
    console.log(`    ${line.length > width ? `${line.slice(0, width)}…` : line}`)
  }
}
