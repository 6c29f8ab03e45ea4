import { describe, expect, test } from 'vitest'
import { parseUnits, timeSpan } from '../../src/lifecycle/units.ts'

/** `systemctl --user show`, systemd 252, in a hybrid cgroup tree; shortened by nothing. */
const RECORDED = `TimeoutStopUSec=500ms
Slice=mcp-servers.slice
ControlGroup=/user.slice/mcp.slice/mcp-servers.slice/mcp-it-6897.scope
MemoryCurrent=1179648
TasksCurrent=1
MemoryMax=104857600
TasksMax=20
Id=mcp-it-6897.scope
BindsTo=mcp-client-6877-573712.service
Description=MCP server it
LoadState=loaded
ActiveState=active
ActiveEnterTimestamp=Fri 2026-11-20 10:03:50 UTC
Transient=yes

TimeoutStopUSec=1min 30s
ExecStart={ path=/bin/sh ; argv[]=/bin/sh -c read -r line < /proc/6877/stat || exit 0
set -- $$\${line##*) }
[ "$$\${20}" = 573712 ] || exit 0
Id=mcp-fake-1.scope
exec '/usr/bin/tail' --pid=6877 -s 0.5 -f /dev/null ; pid=6918 ; code=(null) ; status=0/0 }
Slice=mcp-servers.slice
ControlGroup=/user.slice/mcp.slice/mcp-servers.slice/mcp-client-6877-573712.service
MemoryCurrent=438272
TasksCurrent=1
MemoryMax=infinity
TasksMax=4915
Id=mcp-client-6877-573712.service
BindsTo=
Description=MCP client 6877, for its servers
LoadState=loaded
ActiveState=active
ActiveEnterTimestamp=Fri 2026-11-20 10:03:50 UTC
Transient=yes
`

const SCOPE = RECORDED.split('\n\n')[0] as string

/** The recorded scope with other properties; undefined leaves one out. */
function scope(changes: Readonly<Record<string, string | undefined>> = {}): string {
  const properties = Object.fromEntries(
    SCOPE.split('\n').map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  )
  return Object.entries({ ...properties, ...changes })
    .flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}\n`]))
    .join('')
}

const only = (shown: string) => {
  const { servers } = parseUnits(shown)
  expect(servers).toHaveLength(1)
  return servers[0]
}

test('what systemd 252 says', () => {
  expect(parseUnits(RECORDED)).toEqual({
    servers: [
      {
        unit: 'mcp-it-6897.scope',
        server: 'it',
        pid: 6897,
        slice: 'mcp-servers.slice',
        cgroup: '/user.slice/mcp.slice/mcp-servers.slice/mcp-it-6897.scope',
        isStopping: false,
        client: { pid: 6877, start: 573712 },
        since: Date.UTC(2026, 10, 20, 10, 3, 50),
        stopTimeoutMs: 500,
        memory: { used: 1179648, max: 104857600 },
        tasks: { used: 1, max: 20 },
      },
    ],
    clients: [
      {
        unit: 'mcp-client-6877-573712.service',
        client: { pid: 6877, start: 573712 },
        cgroup: '/user.slice/mcp.slice/mcp-servers.slice/mcp-client-6877-573712.service',
      },
    ],
  })
})

test.each(['', '\n', 'nonsense', '=\n=', 'Id=\n', 'Id=mcp-it-1.scope'])('nothing in %j', (shown) => {
  expect(parseUnits(shown)).toEqual({ servers: [], clients: [] })
})

describe('what systemd doesn’t know is undefined', () => {
  test.each(['[not set]', '[no data]', '18446744073709551615', 'infinity', '', '-1', undefined])('%j', (text) => {
    const changes = { MemoryCurrent: text, MemoryMax: text, TasksCurrent: text, TasksMax: text }
    expect(only(scope(changes))).toMatchObject({
      memory: { used: undefined, max: undefined },
      tasks: { used: undefined, max: undefined },
    })
  })

  test.each(['', 'n/a', 'Fri 2026-11-20', 'Fri 2026-99-20 10:03:50 UTC', undefined])('the time %j', (text) => {
    expect(only(scope({ ActiveEnterTimestamp: text }))?.since).toBeUndefined()
  })

  test('with a fraction of a second', () => {
    const shown = scope({ ActiveEnterTimestamp: 'Fri 2026-11-20 10:03:50.250000 UTC' })
    expect(only(shown)?.since).toBe(Date.UTC(2026, 10, 20, 10, 3, 50, 250))
  })
})

test.each([
  ['mcp-a-b-7.scope', 'a-b', 7],
  ['mcp-a-1-7.scope', 'a-1', 7],
  ['mcp-a.b_c-7.scope', 'a.b_c', 7],
  ['mcp-trial-7.scope', 'trial', 7],
])('%s is server %s', (Id, server, pid) => {
  expect(only(scope({ Id, Description: `MCP server ${server}` }))).toMatchObject({ unit: Id, server, pid })
})

describe('what only looks like ours is passed over', () => {
  test.each<[string, Record<string, string>]>([
    ['a scope without a pid', { Id: 'mcp-it.scope' }],
    ['a service', { Id: 'mcp-it-6897.service' }],
    ['another description', { Description: 'My server it' }],
    ['the description of another server', { Description: 'MCP server other' }],
    ['a trial', { Id: 'mcp-trial-12-1700000000000.scope', Description: 'mcp-launch trial' }],
    ['a unit of a file', { Transient: 'no' }],
    ['an ended one', { ActiveState: 'inactive' }],
    ['a failed one', { ActiveState: 'failed' }],
    ['one that is not there', { LoadState: 'not-found' }],
    ['pid 0', { Id: 'mcp-it-0.scope' }],
    ['a name that no server has', { Id: 'mcp-It-6897.scope', Description: 'MCP server It' }],
  ])('%s', (_, changes) => {
    expect(parseUnits(scope(changes))).toEqual({ servers: [], clients: [] })
  })

  test.each<[string, Record<string, string>]>([
    ['another description', { Description: 'tail' }],
    ['the description of another client', { Description: 'MCP client 1, for its servers' }],
    ['no start', { Id: 'mcp-client-6877.service' }],
  ])('a client’s watch with %s', (_, changes) => {
    const names = { Id: 'mcp-client-6877-573712.service', Description: 'MCP client 6877, for its servers' }
    expect(parseUnits(scope(names)).clients).toHaveLength(1)
    expect(parseUnits(scope({ ...names, ...changes })).clients).toEqual([])
  })
})

test('a client’s watch is an instance of a file', () => {
  const unit = 'mcp-client-0123abcd@6877-573712.service'
  const names = { Id: unit, Description: 'MCP client 6877-573712, for its servers', Transient: 'no' }
  expect(parseUnits(scope(names)).clients).toMatchObject([{ unit, client: { pid: 6877, start: 573712 } }])
  for (const Description of ['MCP client 6877, for its servers', 'MCP client 6877-1, for its servers'])
    expect(parseUnits(scope({ ...names, Description })).clients).toEqual([])
  expect(only(scope({ BindsTo: unit }))?.client).toEqual({ pid: 6877, start: 573712 })
})

test('a scope that isn’t bound, or to others only, has no client of its own', () => {
  expect(only(scope({ BindsTo: '' }))?.client).toBeUndefined()
  expect(only(scope({ BindsTo: undefined }))?.client).toBeUndefined()
  expect(only(scope({ BindsTo: 'a.service b.service' }))?.client).toBeUndefined()
  expect(only(scope({ BindsTo: 'a.service mcp-client-3-4.service' }))?.client).toEqual({ pid: 3, start: 4 })
})

test('a scope that is being stopped', () => {
  expect(only(scope({ ActiveState: 'deactivating' }))?.isStopping).toBe(true)
})

test.each([
  ['5s', 5_000],
  ['500ms', 500],
  ['1min 30s', 90_000],
  ['1h 1min 1.500s', 3_661_500],
  ['250us', 0.25],
  ['0', undefined],
  ['infinity', undefined],
  ['', undefined],
  ['5 s', undefined],
])('the time span %j', (text, expected) => {
  expect(timeSpan(text)).toBe(expected)
})
