import { describe, expect, test } from 'vitest'
import { type PlanInput, planLaunch, runtimeDirectoryProblem, scopeProblem } from '../../src/launch/plan.ts'
import { Secret } from '../../src/secrets/secret.ts'
import { ALL_WORKS, HOST, planInput, SERVER } from './plan-input.ts'

const SCOPE =
  '/usr/bin/systemd-run --user --scope --quiet --collect --expand-environment=no --slice=mcp-servers.slice ' +
  '--unit=mcp-demo-4711.scope --description=MCP server demo -p TimeoutStopSec=5000ms -p BindsTo=mcp-client-0123abcd@42-7.service -p After=mcp-client-0123abcd@42-7.service --'
const ENV = '/usr/bin/env --default-signal=PIPE,XFSZ'
const SETPRIV = '/usr/bin/setpriv --pdeathsig TERM --'
const DEMO = '/opt/demo-server stdio'

const server = (changes: Partial<typeof SERVER>): Partial<PlanInput> => ({ server: { ...SERVER, ...changes } })
const trial = (changes: Partial<typeof ALL_WORKS>): Partial<PlanInput> => ({ trial: { ...ALL_WORKS, ...changes } })
const host = (changes: Partial<typeof HOST>): Partial<PlanInput> => ({ host: { ...HOST, ...changes } })

describe('the command line', () => {
  test.each<[string, Partial<PlanInput>, string]>([
    ['everything works', {}, `${ENV} ${SETPRIV} ${SCOPE} ${DEMO}`],
    [
      'no watch of the client',
      { watch: { why: 'no tail here', isDefect: true } },
      `${ENV} ${SETPRIV} ${SCOPE.replace(/ -p BindsTo=\S+ -p After=\S+/, '')} ${DEMO}`,
    ],
    [
      'logs',
      { ...server({ logs: 'file' }), copy: ['/bin/sh', '-c', 'COPY'] },
      `${ENV} ${SETPRIV} ${SCOPE} /bin/sh -c COPY ${DEMO}`,
    ],
    ['scope: off', server({ scope: 'off' }), `${ENV} ${SETPRIV} ${DEMO}`],
    ['no user manager', trial({ scope: 'no user manager' }), `${ENV} ${SETPRIV} ${DEMO}`],
    [
      'systemd before 254',
      trial({ expandEnvironmentFlag: false }),
      `${ENV} ${SETPRIV} ${SCOPE.replace('--expand-environment=no ', '')} ${DEMO}`,
    ],
    ['an env without --default-signal', trial({ env: 'unrecognized option' }), `${SETPRIV} ${SCOPE} ${DEMO}`],
    ['no setpriv', trial({ setpriv: 'no setpriv here' }), `${ENV} ${SCOPE} ${DEMO}`],
    ['nothing at all', trial({ env: 'x', setpriv: 'x', scope: 'x' }), DEMO],
    ['deathSignal: off', server({ deathSignal: 'off' }), `${ENV} ${SCOPE} ${DEMO}`],
    [
      'deathSignal: KILL',
      server({ deathSignal: 'KILL' }),
      `${ENV} ${SETPRIV.replace('TERM', 'KILL')} ${SCOPE} ${DEMO}`,
    ],
    ['forked by another thread', host({ parent: { pid: 42, mainThread: false } }), `${ENV} ${SCOPE} ${DEMO}`],
    ['forked by who knows', host({ parent: { pid: 42, mainThread: undefined } }), `${ENV} ${SCOPE} ${DEMO}`],
    [
      'a signal asked for, forked by who knows',
      { ...server({ deathSignal: 'INT' }), ...host({ parent: { pid: 42, mainThread: undefined } }) },
      `${ENV} ${SETPRIV.replace('TERM', 'INT')} ${SCOPE} ${DEMO}`,
    ],
    [
      'a signal asked for, forked by another thread',
      { ...server({ deathSignal: 'INT' }), ...host({ parent: { pid: 42, mainThread: false } }) },
      `${ENV} ${SCOPE} ${DEMO}`,
    ],
    [
      'limits',
      server({
        limits: { memoryMax: '1G', cpuQuota: '50%', tasksMax: '10', runtimeMaxMs: 60_000 },
        slice: 'big.slice',
      }),
      `${ENV} ${SETPRIV} ${SCOPE.replace('mcp-servers.slice', 'big.slice').replace(
        '-p TimeoutStopSec',
        '-p MemoryMax=1G -p CPUQuota=50% -p TasksMax=10 -p RuntimeMaxSec=60000ms -p TimeoutStopSec',
      )} ${DEMO}`,
    ],
    [
      'a limit of open files that the runtime has raised',
      { host: { ...HOST, openFiles: 1024 } },
      `${ENV} /usr/bin/prlimit --nofile=1024: ${SETPRIV} ${SCOPE} ${DEMO}`,
    ],
    [
      'a path with "=", which env would take for a variable',
      { ...trial({ setpriv: 'x', scope: 'x' }), command: '/opt/a=b/demo-server' },
      '/opt/a=b/demo-server stdio',
    ],
  ])('%s', (_, changes, expected) => {
    expect(planLaunch(planInput(changes)).argv.join(' ')).toBe(expected)
  })

  test('every part that is left out says why', () => {
    const { parts } = planLaunch(planInput(trial({ env: 'no env', setpriv: 'no setpriv', scope: 'no manager' })))
    expect(parts.map(({ why }) => why)).toEqual([
      expect.stringContaining('no env'),
      expect.stringContaining('no setpriv'),
      expect.stringContaining('no manager'),
    ])
  })
})

describe('the life of the server', () => {
  test('is checked against the client, unless nothing is to tie it to that', () => {
    expect(planLaunch(planInput()).boundTo).toBe(42)
    expect(planLaunch(planInput(server({ deathSignal: 'off' }))).boundTo).toBe(42)
    expect(planLaunch(planInput(server({ scope: 'off' }))).boundTo).toBe(42)
    expect(planLaunch(planInput(server({ deathSignal: 'off', scope: 'off' }))).boundTo).toBeUndefined()
  })

  test('a user manager that gives no scope is a note, none at all is not', () => {
    const silent = trial({ scope: "systemd-run didn't answer in time" })
    expect(planLaunch(planInput(silent)).notes).toEqual([
      'server "demo" is started without a scope, although there is a user manager: systemd-run didn\'t answer in time',
    ])
    const nobody = trial({ scope: 'Failed to connect to bus: No such file or directory' })
    expect(planLaunch(planInput(nobody)).notes).toEqual([])
    const host = { ...HOST, manager: { listening: false, why: 'no user manager' } } as const
    expect(planLaunch(planInput({ ...silent, host })).notes).toEqual([])
    expect(planLaunch(planInput(server({ scope: 'off' }))).notes).toEqual([])
  })

  test('is tied to nobody if the client can’t be told, which is said', () => {
    const detached = planLaunch(planInput(host({ parent: { pid: 0, mainThread: undefined, isDetached: true } })))
    expect(detached.boundTo).toBeUndefined()
    expect(detached.notes).toEqual([
      expect.stringMatching(/^server "demo" ends with its input, and not with its client/),
    ])
    expect(detached.argv).not.toContain('--pdeathsig')
  })

  test('whatever keeps a scope from its watch is said if it is a defect, and not of a client that is none', () => {
    const notes = (changes: Partial<PlanInput>) => planLaunch(planInput(changes)).notes
    const told = (why: string) => [`server "demo" doesn't end with its client (pid 42) if that is killed: ${why}`]
    expect(notes({ watch: { why: 'no tail here', isDefect: true } })).toEqual(told('no tail here'))
    expect(notes(trial({ watch: 'not found' }))).toEqual(told('not found'))
    expect(notes({ watch: { why: 'no client', isDefect: false } })).toEqual([])
    const managerless = { manager: { listening: false, why: 'none' } } as const
    const unscoped = { ...trial({ scope: 'none' }), ...host(managerless) }
    expect(notes({ watch: { why: 'no tail here', isDefect: true }, ...unscoped })).toEqual([])
  })

  test.each([
    ['', trial({ scope: 'none' }), ', as may the server if it ignores the signal'],
    ['', { ...trial({ scope: 'none' }), ...server({ deathSignal: 'KILL' }) }, ''],
    ['the server and ', trial({ scope: 'none', setpriv: 'none' }), ''],
  ])('what is not covered without a scope: %swhat it starts', (first, changes, last) => {
    const { why } = planLaunch(planInput(changes)).parts.find(({ name }) => name === 'systemd-run') ?? {}
    const starts = first === '' ? 'what the server starts' : `${first}what it starts`
    expect(why).toBe(`left out: none; no limits, and ${starts} may outlive the client${last}`)
  })

  test('scope: require has a problem without a scope', () => {
    const without = { ...ALL_WORKS, scope: 'no user manager in /run/user/1000' }
    expect(scopeProblem({ ...SERVER, scope: 'require' }, without)[0]?.message).toBe(
      'can\'t give a scope to server "demo": no user manager in /run/user/1000',
    )
    expect(scopeProblem({ ...SERVER, scope: 'require' }, ALL_WORKS)).toEqual([])
    expect(scopeProblem(SERVER, without)).toEqual([])
  })
})

describe('what the launcher adds to the environment', () => {
  const value = (changes: Partial<PlanInput>, name: string) =>
    planLaunch(planInput(changes)).variables.find((variable) => variable.name === name)?.value

  test("path stands before the client's PATH", () => {
    expect(value({ path: ['/a', '/b'] }, 'PATH')).toBe('/a:/b:/usr/bin')
    expect(value({ path: ['/a'], clientEnv: {} }, 'PATH')).toBe('/a:/usr/local/bin:/usr/bin:/bin')
    expect(value({}, 'PATH')).toBe('/usr/bin')
  })

  test('PWD follows a cwd of the server', () => {
    expect(value({ ...server({ cwd: '~' }), clientEnv: { PWD: '/elsewhere' } }, 'PWD')).toBe('/home/ada')
    expect(value({ clientEnv: { PWD: '/elsewhere' } }, 'PWD')).toBe('/elsewhere')
  })

  test('XDG_RUNTIME_DIR is derived for systemd-run, and left as it is otherwise', () => {
    expect(value({}, 'XDG_RUNTIME_DIR')).toBe('/run/user/1000')
    expect(value(server({ scope: 'off' }), 'XDG_RUNTIME_DIR')).toBeUndefined()
  })

  test('what systemd-run sets is told, and not set here', () => {
    const input = { clientEnv: { INVOCATION_ID: 'of the client' } }
    const find = (changes: Partial<PlanInput>) =>
      planLaunch(planInput({ ...input, ...changes })).variables.find(({ name }) => name === 'INVOCATION_ID')
    expect(find({})).toMatchObject({ origin: 'launcher', decision: 'set', value: undefined })
    expect(find(server({ scope: 'off' }))).toMatchObject({ origin: 'client', value: 'of the client' })
  })

  test("the client's own XDG_RUNTIME_DIR reaches systemd-run with inheritEnv: minimal too", () => {
    const clientEnv = { XDG_RUNTIME_DIR: '/run/user/1000' }
    expect(value({ clientEnv }, 'XDG_RUNTIME_DIR')).toBe('/run/user/1000')
    expect(value({ clientEnv, ...server({ inheritEnv: 'minimal' }) }, 'XDG_RUNTIME_DIR')).toBe('/run/user/1000')
  })

  test('a registry that sets another XDG_RUNTIME_DIR is refused a scope', () => {
    const problems = (changes: Partial<PlanInput>) =>
      runtimeDirectoryProblem(planLaunch(planInput(changes)), HOST).map(({ message }) => message)
    const elsewhere = { XDG_RUNTIME_DIR: '/elsewhere' }
    expect(problems({})).toEqual([])
    expect(problems({ clientEnv: elsewhere })).toEqual([])
    expect(problems({ plainEnv: { XDG_RUNTIME_DIR: '/run/user/1000' } })).toEqual([])
    expect(problems({ plainEnv: elsewhere, ...server({ scope: 'off' }) })).toEqual([])
    expect(problems({ plainEnv: elsewhere })).toEqual([
      'can\'t give a scope to server "demo": it sets XDG_RUNTIME_DIR, by which systemd is found',
    ])
  })
})

describe('secrets', () => {
  const secret = { name: 'CA', as: 'file', why: 'file:/ca', value: new Secret('canary') } as const

  test('as a file: the path in the variable, the value in the file', () => {
    const plan = planLaunch(planInput({ secrets: [secret] }))
    expect(plan.variables.find(({ name }) => name === 'CA')?.value).toBe('/run/user/1000/mcp-launch/demo.4711.1/CA')
    expect(plan.secretFiles).toEqual([{ path: '/run/user/1000/mcp-launch/demo.4711.1/CA', content: secret.value }])
  })

  test('print as [redacted], whichever way the plan is printed', async () => {
    const { inspect } = await import('node:util')
    const plan = planLaunch(planInput({ secrets: [secret, { ...secret, name: 'TOKEN', as: 'env' }] }))
    for (const print of [JSON.stringify(plan), inspect(plan, { depth: 9, showHidden: true }), `${secret.value}`]) {
      expect(print).not.toContain('canary')
    }
    expect(JSON.stringify(plan)).toContain('[redacted]')
  })
})

test('one note names what was not passed on', () => {
  const clientEnv = { HOME: '/h', AWS_SECRET_ACCESS_KEY: 'x', GITHUB_TOKEN: 'y', SOPS_AGE_KEY: 'z' }
  expect(planLaunch(planInput({ clientEnv })).notes).toEqual([
    'not passed to server "demo" because they look like credentials: AWS_SECRET_ACCESS_KEY, GITHUB_TOKEN (passEnv keeps them)',
  ])
  expect(planLaunch(planInput()).notes).toEqual([])
})
