import { describe, expect, test } from 'vitest'
import { tryParts } from '../../src/launch/trial.ts'
import { type ClientWatch, NO_SCOPE, type NoWatch } from '../../src/lifecycle/client-watch.ts'
import type { Finished, Program } from '../../src/world.ts'
import { temporaryDirectory } from '../temporary.ts'
import { testWorld } from '../world.ts'
import { HOST } from './plan-input.ts'

/** A machine whose tools answer as told; `tried` tells which were asked. */
function machine(answers: (program: Program) => Partial<Finished>) {
  const tried: string[] = []
  const real = testWorld()
  const world = testWorld({
    env: { HOME: temporaryDirectory() },
    processes: {
      ...real.processes,
      run(program) {
        tried.push(program.file)
        const finished: Finished = { stdout: Buffer.alloc(0), stderr: '', end: { kind: 'exit', code: 0 } }
        return Promise.resolve({ ...finished, ...answers(program) })
      },
    },
  })
  return { world, tried }
}

test('what a tool said itself is remembered', async () => {
  const { world, tried } = machine(({ file }) =>
    file.endsWith('setpriv') ? { stderr: 'setpriv: unrecognized option', end: { kind: 'exit', code: 1 } } : {},
  )
  for (let launch = 0; launch < 2; launch += 1) {
    expect(await tryParts(world, HOST, undefined, NO_SCOPE)).toMatchObject({
      env: undefined,
      setpriv: 'setpriv: unrecognized option',
    })
  }
  expect(tried.sort()).toEqual(['/usr/bin/env', '/usr/bin/setpriv'])
})

test.each<Finished['end']>([
  { kind: 'timeout' },
  { kind: 'signal', signal: 'SIGKILL' },
  { kind: 'not-started', errno: 'EAGAIN' },
])('a moment in which it $kind is not', async (end) => {
  let isBusy = true
  const { world } = machine(() => (isBusy ? { end } : {}))
  expect(await tryParts(world, HOST, undefined, NO_SCOPE)).toMatchObject({
    env: expect.any(String),
    setpriv: expect.any(String),
  })
  isBusy = false
  expect(await tryParts(world, HOST, undefined, NO_SCOPE)).toMatchObject({ env: undefined, setpriv: undefined })
})

describe('the scope', () => {
  const REQUEST = { slice: 'mcp-servers.slice', properties: ['MemoryMax=1G'] }
  const WATCH = { unit: 'mcp-client-0123abcd@42-7.service', prefix: 'mcp-client-0123abcd@' }
  const SOCKET = '/run/user/1000/systemd/private'
  const DAY_MS = 86_400_000
  type Answer = string | Finished['end']

  function finished(answer: Answer): Finished {
    const end = typeof answer === 'string' ? { kind: 'exit' as const, code: answer === '' ? 0 : 1 } : answer
    return { stdout: Buffer.alloc(0), stderr: typeof answer === 'string' ? answer : '', end }
  }

  /**
   * A machine on which systemd-run answers as told, one after the other and then with the last: '' makes the scope, a
   * text refuses it. `tried` tells for each whether it was bound.
   */
  function manager(answers: Answer[]) {
    const tried: string[] = []
    let now = 1_000 * DAY_MS
    const inodes = { pid: 1, user: 2, mnt: 3 } as Record<string, number>
    let unitsChanged = 1
    const real = testWorld()
    const world = testWorld({
      env: { HOME: temporaryDirectory() },
      now: () => now,
      files: {
        ...real.files,
        read: (path) => (path === '/proc/net/unix' ? Buffer.from(` ${SOCKET}\n`) : real.files.read(path)),
        stat(path) {
          const [, name = ''] = /^\/proc\/self\/ns\/(\w+)$/.exec(path) ?? []
          const found = real.files.stat('/')
          if (found !== undefined && name in inodes) return { ...found, inode: inodes[name] ?? 0 }
          if (found !== undefined && path.endsWith('/systemd/user')) return { ...found, modifiedMs: unitsChanged }
          return real.files.stat(path)
        },
      },
      processes: {
        ...real.processes,
        run({ file, args }) {
          if (!file.endsWith('systemd-run')) return Promise.resolve(finished(''))
          tried.push(args.includes(`BindsTo=${WATCH.unit}`) ? 'bound' : 'unbound')
          return Promise.resolve(finished((answers.length > 1 ? answers.shift() : answers[0]) ?? ''))
        },
      },
    })
    const attempt = (options = {}, watch: ClientWatch | NoWatch = WATCH) =>
      tryParts(world, HOST, REQUEST, watch, options)
    return {
      attempt,
      tried,
      passes: (ms: number) => {
        now += ms
      },
      enters: (namespace: string) => {
        inodes[namespace] = 99
      },
      unitsChange: () => {
        unitsChanged += 1
      },
    }
  }

  test('is tried bound, and remembered for whichever client', async () => {
    const { attempt, tried } = manager([''])
    expect(await attempt()).toMatchObject({ scope: undefined, watch: undefined })
    expect(await attempt({}, { ...WATCH, unit: 'mcp-client-0123abcd@43-8.service' })).toMatchObject({
      scope: undefined,
    })
    expect(tried).toEqual(['bound'])
  })

  test.each<[string, (machine: ReturnType<typeof manager>) => void]>([
    ['a day later', ({ passes }) => passes(DAY_MS)],
    ['when a unit was masked or changed', ({ unitsChange }) => unitsChange()],
    ...['pid', 'user', 'mnt'].map((name): [string, (machine: ReturnType<typeof manager>) => void] => [
      `in another ${name} namespace`,
      ({ enters }) => enters(name),
    ]),
  ])('is tried again %s', async (_, change) => {
    const machine = manager(['', 'Unit mcp-servers.slice is masked.'])
    await machine.attempt()
    change(machine)
    expect(await machine.attempt()).toMatchObject({ scope: 'Unit mcp-servers.slice is masked.' })
  })

  test('tried anew, it is forgotten if it fails', async () => {
    const { attempt, tried } = manager(['', { kind: 'timeout' }, ''])
    await attempt()
    expect(await attempt({ anew: true })).toMatchObject({ scope: "systemd-run didn't answer in time" })
    await attempt()
    expect(tried).toEqual(['bound', 'bound', 'bound'])
  })

  test.each<[string, Answer[], object, string[]]>([
    ['refuses the watch alone', ['not found', '', 'not found'], { watch: 'not found' }, ['bound', 'unbound', 'bound']],
    ['refuses both', ['masked'], { scope: 'masked' }, ['bound', 'unbound']],
    ['has the watch stopped meanwhile', [{ kind: 'signal', signal: 'SIGTERM' }, ''], {}, ['bound', 'unbound', 'bound']],
    ['is silent', [{ kind: 'timeout' }], { scope: "systemd-run didn't answer in time" }, ['bound']],
  ])('of a manager that %s', async (_, answers, expected, attempts) => {
    const { attempt, tried } = manager(answers)
    expect(await attempt()).toMatchObject({ scope: undefined, watch: undefined, ...expected })
    expect(tried).toEqual(attempts)
  })
})
