import { existsSync, readFileSync, statSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { Host } from '../../src/launch/host.ts'
import { realWorld } from '../../src/real-world.ts'
import { chooseScheduler } from '../../src/timer/choose.ts'
import { agentText } from '../../src/timer/launchd-text.ts'
import type { Finished, Program, World } from '../../src/world.ts'
import { temporaryDirectory } from '../temporary.ts'
import { testWorld } from '../world.ts'
import { job } from './job.ts'

/** A Mac whose launchctl is played: `print` knows what was loaded. */
function mac(home: string) {
  const calls: string[] = []
  const loaded = new Set<string>()
  let printed = ''
  const { processes } = realWorld()
  const launchctl = ([verb = '', ...args]: readonly string[]): Finished => {
    calls.push([verb, ...args].join(' '))
    const label = 'gui/501/dev.mcp-launch.refresh'
    const wasLoaded = loaded.has(label)
    if (verb === 'bootstrap') loaded.add(label)
    if (verb === 'bootout') loaded.delete(label)
    const code = verb === 'bootstrap' ? (wasLoaded ? 5 : 0) : wasLoaded ? 0 : 113
    return { stdout: Buffer.from(verb === 'print' ? printed : ''), stderr: '', end: { kind: 'exit', code } }
  }
  const world: World = testWorld({
    platform: 'darwin',
    uid: 501,
    env: { HOME: home, PATH: '/usr/bin:/bin' },
    processes: {
      ...processes,
      run: (program: Program) =>
        program.file === '/bin/launchctl' ? Promise.resolve(launchctl(program.args)) : processes.run(program),
    },
  })
  const print = (text: string): void => {
    printed = text
  }
  return { world, calls, print }
}

const NO_HOST = {} as Host
const PRINT = 'print gui/501/dev.mcp-launch.refresh'

test('install, again, changed, remove', async () => {
  const home = temporaryDirectory()
  const plist = `${home}/Library/LaunchAgents/dev.mcp-launch.refresh.plist`
  const { world, calls } = mac(home)
  const agent = await chooseScheduler(world, NO_HOST)
  const install = (): ReturnType<typeof agent.install> => agent.install(job())
  const called = (): string[] => calls.splice(0)

  expect(await install()).toEqual({ kind: 'launchd', files: [plist], changed: [plist] })
  expect(called()).toEqual([PRINT, `bootstrap gui/501 ${plist}`])
  expect(readFileSync(plist, 'utf8')).toBe(agentText(job()))
  expect(statSync(plist).mode & 0o777).toBe(0o644)

  expect(await install()).toMatchObject({ changed: [] })
  expect(called()).toEqual([PRINT])

  await agent.install(job({ env: { HOME: '/elsewhere' } }))
  expect(called()).toEqual([PRINT, 'bootout gui/501/dev.mcp-launch.refresh', `bootstrap gui/501 ${plist}`])

  expect(await agent.remove()).toEqual({ kind: 'launchd', files: [plist] })
  expect(called()).toEqual(['bootout gui/501/dev.mcp-launch.refresh'])
  expect(existsSync(plist)).toBe(false)
  expect(await agent.remove()).toEqual({ kind: 'launchd', files: [] })
  expect(called()).toEqual([])
})

test.each([
  ['\tstate = running\n', { outcome: 'running' }],
  ['\tstate = not running\n\tlast exit code = 0\n', { outcome: 'success' }],
  ['\tstate = not running\n\tlast exit code = 75: EX_TEMPFAIL\n', { outcome: 'unavailable' }],
  ['\tstate = not running\n\tlast exit code = 1\n', { outcome: 'failure', how: 'exit status 1' }],
  ['\tstate = not running\n\tlast exit code = (never exited)\n', undefined],
])('status: %j', async (text, lastResult) => {
  const { world, print } = mac(temporaryDirectory())
  const agent = await chooseScheduler(world, NO_HOST)
  expect(await agent.status()).toEqual({ kind: 'launchd', installed: false, active: false })
  await agent.install(job())
  print(text)
  const expected = { kind: 'launchd', installed: true, active: true }
  expect(await agent.status()).toEqual(lastResult === undefined ? expected : { ...expected, lastResult })
})
