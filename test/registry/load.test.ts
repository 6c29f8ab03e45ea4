import { describe, expect, it } from 'vitest'
import { EXAMPLE_REGISTRY } from '../../src/registry/example.ts'
import { parseRegistry } from '../../src/registry/load.ts'

const parse = (text: string, path = '/r/servers.yaml') => parseRegistry(Buffer.from(text), path)
const server = (text: string) => [...parse(`servers:\n  a: ${text}\n`).servers.values()][0]

describe('a registry', () => {
  it('of one command has all defaults', () => {
    const registry = parse('servers: { a: { command: x } }')
    expect(registry.servers.get('a')).toEqual({
      name: 'a',
      enabled: true,
      command: 'x',
      args: [],
      env: {},
      secrets: {},
      path: [],
      inheritEnv: 'safe',
      passEnv: [],
      limits: {},
      slice: 'mcp-servers.slice',
      scope: 'auto',
      deathSignal: 'auto',
      stopTimeoutMs: 5_000,
      logs: 'off',
    })
    expect(registry.settings).toEqual({
      onepassword: {
        token: { kind: 'env', name: 'OP_SERVICE_ACCOUNT_TOKEN', text: 'env:OP_SERVICE_ACCOUNT_TOKEN' },
      },
      cache: { ttlMs: 14_400_000, stale: 'warn', maxStaleMs: 604_800_000, resolveTimeoutMs: 4_000 },
    })
  })

  it('takes a server and a secret that are called like a key', () => {
    const { servers, settings } = parse(`
onepassword: { token: { command: [get-token, 1.10] } }
servers:
  command: { command: x, enabled: true, secrets: { command: { from: env:A, required: false } } }
`)
    expect(servers.get('command')).toMatchObject({ enabled: true, secrets: { command: { required: false } } })
    expect(settings.onepassword.token).toMatchObject({ argv: ['get-token', '1.10'] })
  })

  it('takes every option', () => {
    const { servers, settings } = parse(`
$schema: ./servers.schema.json
x-notes: [anything, { goes: here }]
onepassword: { token: file:~/.config/op/token }
cache: { ttl: 1h, stale: fail, maxStale: 1d, resolveTimeout: 500ms }
servers:
  full:
    description: all of it
    enabled: false
    command: ~/bin/server
    args: [--port, 8080, 1.10, true, "x y"]
    env: { PORT: 8080, VERSION: 1.10, DEBUG: true, HEX: 0x1F, QUOTED: "1.0" }
    secrets:
      A: op://v/i/f
      B: { command: [pass, show, 1] }
      C: { from: age:c.age, as: file, required: false, cache: 30m }
      D: { from: { command: [x] }, cache: false }
    cwd: /srv
    path: [~/bin, /opt/bin]
    inheritEnv: minimal
    passEnv: [LANG]
    limits:
      { memoryMax: 1073741824, memoryHigh: 50%, memorySwapMax: 0, cpuQuota: 150%, tasksMax: 64, runtimeMax: 1h30m }
    slice: mcp-other.slice
    scope: require
    deathSignal: SIGKILL
    stopTimeout: 2s
    logs: journal
    environment: op-env:abc123
`)
    expect(servers.get('full')).toEqual({
      name: 'full',
      description: 'all of it',
      enabled: false,
      command: '~/bin/server',
      args: ['--port', '8080', '1.10', 'true', 'x y'],
      env: { PORT: '8080', VERSION: '1.10', DEBUG: 'true', HEX: '0x1F', QUOTED: '1.0' },
      secrets: {
        A: { from: expect.objectContaining({ text: 'op://v/i/f' }), as: 'env', required: true },
        B: { from: expect.objectContaining({ argv: ['pass', 'show', '1'] }), as: 'env', required: true },
        C: { from: { kind: 'age', file: 'c.age', text: 'age:c.age' }, as: 'file', required: false, cache: 1_800_000 },
        D: { from: expect.objectContaining({ argv: ['x'] }), as: 'env', required: true, cache: false },
      },
      cwd: '/srv',
      path: ['~/bin', '/opt/bin'],
      inheritEnv: 'minimal',
      passEnv: ['LANG'],
      limits: {
        memoryMax: '1073741824',
        memoryHigh: '50%',
        memorySwapMax: '0',
        cpuQuota: '150%',
        tasksMax: '64',
        runtimeMaxMs: 5_400_000,
      },
      slice: 'mcp-other.slice',
      scope: 'require',
      deathSignal: 'KILL',
      stopTimeoutMs: 2_000,
      logs: 'journal',
      environment: { kind: 'op-env', id: 'abc123', text: 'op-env:abc123' },
    })
    expect(settings).toEqual({
      onepassword: { token: { kind: 'file', file: '~/.config/op/token', text: 'file:~/.config/op/token' } },
      cache: { ttlMs: 3_600_000, stale: 'fail', maxStaleMs: 86_400_000, resolveTimeoutMs: 500 },
    })
  })

  it('puts defaults under what a server says, limits one by one', () => {
    const { servers } = parse(`
defaults: { limits: { memoryMax: 1G, tasksMax: 100 }, path: [/a], scope: off, stopTimeout: 1s, passEnv: [LANG] }
servers:
  a: { command: x, limits: { memoryMax: 2G }, path: [/b], scope: auto }
  b: { command: x }
`)
    expect(servers.get('a')).toMatchObject({
      limits: { memoryMax: '2G', tasksMax: '100' },
      path: ['/b'],
      scope: 'auto',
      stopTimeoutMs: 1_000,
    })
    expect(servers.get('b')).toMatchObject({
      limits: { memoryMax: '1G' },
      path: ['/a'],
      scope: 'off',
      passEnv: ['LANG'],
    })
  })

  it('has anchors, aliases and merge keys', () => {
    const { servers } = parse(`
x-node: &node { command: npx, env: { A: 1, B: 2 } }
x-more: &more { command: other, cwd: /x }
servers:
  a: { <<: *node, env: { C: 3 } }
  b: { <<: [*node, *more] }
  c: *node
`)
    expect(servers.get('a')).toMatchObject({ command: 'npx', env: { C: '3' } })
    expect(servers.get('b')).toMatchObject({ command: 'npx', cwd: '/x', env: { A: '1', B: '2' } })
    expect(servers.get('c')).toMatchObject({ command: 'npx' })
  })

  it('may be JSON with tabs, comments and trailing commas', () => {
    const json =
      '{\n\t// one\n\t"servers": { /* two */\n\t\t"a": { "command": "x", "args": ["//", "/* */", "\\u00e9\\"", 1,], },\n\t},\n}'
    expect(parse(json, '/r/servers.json').servers.get('a')).toMatchObject({ args: ['//', '/* */', 'é"', '1'] })
  })

  it('may begin with a byte order mark and have lines that end in CRLF', () => {
    expect(parse('\ufeffservers:\r\n  a:\r\n    command: x\r\n').servers.get('a')?.command).toBe('x')
  })

  it('is plain data, whatever its names are', () => {
    const { servers } = parse('servers: { constructor: { command: x, env: { constructor: y, toString: z } } }')
    expect(servers.get('constructor')?.env).toEqual({ constructor: 'y', toString: 'z' })
    expect(servers.get('toString')).toBeUndefined()
    const entry = servers.get('constructor')
    expect(JSON.parse(JSON.stringify(entry))).toEqual(entry)
  })

  it('as init writes it is valid', () => {
    expect([...parse(EXAMPLE_REGISTRY).servers.keys()]).toEqual(['everything'])
    const uncommented = EXAMPLE_REGISTRY.replace(/^ {2}# ( *\w[^:\n]*:)/gm, '  $1')
    expect([...parse(uncommented).servers.keys()]).toEqual(['everything', 'github', 'notes'])
  })

  it('may use the environment, and secrets where they are not secrets', () => {
    expect(
      server(`{ command: "\${HOME}/x", args: ["\${TOKEN:-}", "$\${KEY}"], secrets: { KEY: env:K } }`)?.args,
    ).toEqual([`\${TOKEN:-}`, `$\${KEY}`])
  })
})
