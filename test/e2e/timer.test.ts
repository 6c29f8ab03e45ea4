import {
  chmodSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect } from 'vitest'
import { type Artefact, artefacts, bundle, executable } from './harness/artefacts.ts'
import { withoutManager } from './harness/no-manager.ts'
import { type Outcome, outcome } from './harness/outcome.ts'
import { type PrivateManager, startPrivateManager } from './harness/private-manager.ts'
import { test as base, type Sandbox } from './harness/sandbox.ts'
import { server } from './harness/servers.ts'
import { runPrefix } from './harness/temporary.ts'
import { systemctl } from './harness/units.ts'
import type { UserManager } from './harness/user-manager.ts'
import { waitFor } from './harness/wait-for.ts'

/*
 * A timer is made in the configuration of the manager, which of a real session is the developer's own: these tests have
 * a manager of their own, and its home has a name that each layer of quoting would stumble over. The name is short:
 * with what follows, up to the manager's socket, it must not be longer than 107 bytes (unix(7)).
 */
const HOSTILE = `${runPrefix()} %h"'\${d}\\e`

let started: PrivateManager | undefined
let unavailable: string | undefined

beforeAll(async () => {
  const directory = join(tmpdir(), HOSTILE)
  mkdirSync(directory, { mode: 0o700 })
  const before = process.env['TMPDIR']
  process.env['TMPDIR'] = directory
  try {
    started = await startPrivateManager()
  } catch (error) {
    if (process.env['CI'] === 'true') throw error
    unavailable = `no systemd user manager of our own: ${(error as Error).message}`
    console.warn(`skipping tests: ${unavailable}`)
  } finally {
    if (before === undefined) delete process.env['TMPDIR']
    else process.env['TMPDIR'] = before
  }
})

afterAll(async () => {
  await started?.stop()
  rmSync(join(tmpdir(), HOSTILE), { recursive: true, force: true })
})

const UNITS = ['mcp-launch-refresh-failed.service', 'mcp-launch-refresh.service', 'mcp-launch-refresh.timer']
const TIMER = 'mcp-launch-refresh.timer'
/** The secrets of these tests are commands. */
const COMMANDS_NOTE =
  /^mcp-launch: note: commands that the timer runs have of your variables .*: what needs another fails there\n/
const SERVICE = 'mcp-launch-refresh.service'

/** The home of the manager's user, with a registry whose one secret a program prints, and a notify-send that writes. */
class Home {
  readonly path: string
  readonly units: string
  readonly registry: string
  readonly #manager: UserManager
  readonly #runtimeDir: string
  readonly #sandbox: Sandbox

  constructor({ runtimeDir }: PrivateManager, sandbox: Sandbox) {
    this.path = dirname(runtimeDir)
    this.units = join(this.path, '.config', 'systemd', 'user')
    this.registry = join(this.path, '.config', 'mcp', 'servers.yaml')
    this.#manager = { runtimeDir, kind: 'private', limits: false }
    this.#runtimeDir = runtimeDir
    this.#sandbox = sandbox
    sandbox.writeFile(join(this.path, 'bin', 'notify-send'), '#!/bin/sh\necho "$@" >>"$HOME/notified"\n', 0o755)
    this.sourcePrints('a-value')
    this.writeRegistry('4h')
  }

  writeRegistry(ttl: string): void {
    const secrets = { TOKEN: { command: ['~/bin/source'] } }
    const servers = { it: { ...server('report'), secrets } }
    this.#sandbox.writeFile(this.registry, JSON.stringify({ cache: { ttl }, servers }))
  }

  /** The source counts how often it is asked. */
  sourcePrints(value: string): void {
    this.#source(`echo ${value}`)
  }

  sourceEndsWith(status: number): void {
    this.#source(`exit ${status}`)
  }

  #source(script: string): void {
    this.#sandbox.writeFile(join(this.path, 'bin', 'source'), `#!/bin/sh\necho >>"$HOME/asked"\n${script}\n`, 0o755)
  }

  asked(): number {
    return this.lines('asked').length
  }

  lines(name: string): string[] {
    const file = join(this.path, name)
    return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : []
  }

  env(extra: Record<string, string> = {}): Record<string, string> {
    const PATH = `${this.path}/bin:/usr/local/bin:/usr/bin:/bin`
    return { HOME: this.path, PATH, XDG_RUNTIME_DIR: this.#runtimeDir, ...extra }
  }

  /** Runs `mcp-launch …` in this home to its end. */
  async mcpLaunch(args: readonly string[], artefact: Artefact = bundle, env = this.env()): Promise<Outcome> {
    return outcome(await this.#sandbox.launch(artefact, args, { env, cwd: this.path }))
  }

  /** The same with `--json`, which must end well. */
  async json(args: readonly string[], artefact: Artefact = bundle, env = this.env()): Promise<Record<string, unknown>> {
    const { code, stdout, stderr } = await this.mcpLaunch([...args, '--json'], artefact, env)
    expect({ code, stderr: stderr.replace(COMMANDS_NOTE, '') }).toEqual({ code: 0, stderr: '' })
    return JSON.parse(stdout) as Record<string, unknown>
  }

  systemctl(...args: readonly string[]): Promise<string> {
    return systemctl(this.#manager, args)
  }

  /** Runs the service and says how that went. */
  async refresh(): Promise<string> {
    await this.systemctl('start', SERVICE).catch(() => {})
    return (await this.systemctl('show', '--property=Result', '--value', SERVICE)).trim()
  }

  /** Waits for the run that `install` begins with. */
  async firstRun(): Promise<void> {
    const state = async () => (await this.systemctl('show', '--property=ActiveState', '--value', SERVICE)).trim()
    await waitFor(async () => this.asked() > 0 && (await state()) !== 'activating', { what: 'the first run' })
  }

  unitFiles(): string[] {
    return existsSync(this.units)
      ? readdirSync(this.units)
          .filter((name) => name.startsWith('mcp-launch'))
          .sort()
      : []
  }

  async clear(): Promise<void> {
    await this.systemctl('stop', TIMER, SERVICE).catch(() => {})
    await this.systemctl('reset-failed').catch(() => {})
    for (const name of readdirSync(this.path)) {
      if (name !== 'run') rmSync(join(this.path, name), { recursive: true, force: true })
    }
    await this.systemctl('daemon-reload')
  }
}

const homes: Home[] = []

const test = base.extend('home', ({ sandbox, skip }) => {
  if (started === undefined) return skip(unavailable)
  const home = new Home(started, sandbox)
  homes.push(home)
  return home
})

afterEach(async () => {
  for (const home of homes.splice(0)) await home.clear()
})

describe.each(artefacts)('$name', (artefact) => {
  test('install, the runs, remove', async ({ home }) => {
    const installed = await home.mcpLaunch(['timer', 'install'], artefact)
    expect(installed).toMatchObject({ code: 0, stderr: expect.stringMatching(COMMANDS_NOTE) })
    expect(installed.stdout).toMatch(/^installed: the cache is refreshed every 3 h, up to 5 min later\n/)
    expect(home.unitFiles()).toEqual(UNITS)
    for (const unit of UNITS) expect(statSync(join(home.units, unit)).mode & 0o777).toBe(0o644)
    expect(await home.systemctl('list-timers', '--all')).toContain(TIMER)
    expect(await home.systemctl('show', '--property=UnitFileState', '--value', TIMER)).toBe('enabled\n')
    await home.firstRun()
    expect(home.asked()).toBe(1)

    home.sourcePrints('another-value')
    expect(await home.refresh()).toBe('success')
    expect(home.asked()).toBe(2)
    const audit = home.lines('.local/state/mcp-launch/audit.jsonl').map((line) => JSON.parse(line))
    expect(audit.filter(({ event, outcome: how }) => event === 'refresh' && how === 'fetched')).toHaveLength(2)
    expect(audit.map((line) => JSON.stringify(line)).join('')).not.toContain('another-value')
    const launched = await home.mcpLaunch(['it'], artefact)
    expect(JSON.parse(launched.stdout).env.TOKEN).toBe('another-value')
    expect(home.asked()).toBe(2)

    const status = await home.json(['timer', 'status'], artefact)
    const { nextRun, lastRun, ...rest } = status as { nextRun: number; lastRun: number }
    const well = { kind: 'systemd', installed: true, active: true, lastResult: { outcome: 'success' }, failing: [] }
    expect(rest).toEqual(well)
    expect(Math.abs(Date.now() - lastRun)).toBeLessThan(60_000)
    expect(nextRun).toBeGreaterThan(Date.now())
    expect(nextRun).toBeLessThan(Date.now() + 186 * 60_000)

    expect(await home.mcpLaunch(['timer', 'remove'], artefact)).toMatchObject({ code: 0, stderr: '' })
    expect(home.unitFiles()).toEqual([])
    expect(readdirSync(home.units)).toEqual([])
    expect(readdirSync(join(home.path, '.local/share/systemd/timers'))).toEqual([])
    expect(await home.systemctl('list-units', '--all', '--no-legend', 'mcp-launch-refresh*')).toBe('')
    const gone = await home.mcpLaunch(['timer', 'status'], artefact)
    expect(gone).toMatchObject({ code: 1, stderr: '' })
    expect(gone.stdout).toContain('not installed')
    expect(await home.mcpLaunch(['timer', 'remove'], artefact)).toMatchObject({
      code: 0,
      stdout: 'nothing to remove\n',
    })
  })
})

test('a second install changes nothing and runs nothing', async ({ home }) => {
  await home.json(['timer', 'install'])
  await home.firstRun()
  const inodes = () => UNITS.map((unit) => statSync(join(home.units, unit)).ino)
  const before = inodes()
  expect(await home.json(['timer', 'install'])).toMatchObject({ kind: 'systemd', changed: [] })
  expect(inodes()).toEqual(before)
  expect(home.asked()).toBe(1)
  expect((await home.mcpLaunch(['timer', 'install'])).stdout).toMatch(/^already installed: /)
})

test('another time to live is another calendar, at once', async ({ home }) => {
  await home.json(['timer', 'install'])
  home.writeRegistry('20m')
  const { changed } = await home.json(['timer', 'install'])
  expect(changed).toEqual([join(home.units, TIMER)])
  const { nextRun } = (await home.json(['timer', 'status'])) as { nextRun: number }
  expect(nextRun).toBeLessThan(Date.now() + 20 * 60_000)
})

describe('a program that systemd would not take as it is', () => {
  test('the bundle', async ({ home }) => {
    const program = join(home.path, 'bin', 'mcp-launch.cjs')
    linkOrCopy(bundle.file, program)
    await runsFrom(home, { ...bundle, argv: [bundle.argv[0] as string, program], file: program })
  })

  test.for([
    { name: 'the executable, where it would be refused however it is quoted', beside: false },
    { name: 'the executable, where there are specifiers and spaces alone', beside: true },
  ])('$name', async ({ beside }, { home }) => {
    const directory = beside ? tmpdir() : home.path
    const program = join(directory, `${runPrefix()}%h bin`, 'mcp-launch')
    mkdirSync(dirname(program))
    try {
      linkOrCopy(executable.file, program)
      await runsFrom(home, { ...executable, argv: [program], file: program })
    } finally {
      rmSync(dirname(program), { recursive: true })
    }
  })

  function linkOrCopy(from: string, to: string): void {
    try {
      linkSync(from, to)
    } catch {
      copyFileSync(from, to)
      chmodSync(to, 0o755)
    }
  }

  async function runsFrom(home: Home, artefact: Artefact): Promise<void> {
    await home.json(['timer', 'install'], artefact)
    await home.firstRun()
    expect(await home.refresh()).toBe('success')
    expect(home.asked()).toBe(2)
    const text = readFileSync(join(home.units, SERVICE), 'utf8')
    expect(text).toContain(artefact.file.endsWith('.cjs') ? 'mcp-launch.cjs' : '%%h bin')
  }
})

describe('a refresh that fails', () => {
  test('for good: told to the desktop, once a day, and by status', async ({ home }) => {
    home.sourceEndsWith(1)
    await home.json(['timer', 'install'])
    await waitFor(() => home.lines('notified').length > 0, { what: 'the notification' })
    const failAgain = async (): Promise<void> => {
      rmSync(join(home.path, '.cache'), { recursive: true })
      expect(await home.refresh()).toBe('exit-code')
      // Its start is refused by now, or it would have run to its end.
      const failed = ['show', '--property=Result', '--value', 'mcp-launch-refresh-failed.service']
      await waitFor(async () => (await home.systemctl(...failed)) === 'start-limit-hit\n', { what: 'the limit' })
    }
    await failAgain()
    expect(home.lines('notified')).toEqual([
      "--app-name=mcp-launch the secrets of MCP servers can't be refreshed mcp-launch secrets status says which and why",
    ])
    const { code, stdout } = await home.mcpLaunch(['timer', 'status'])
    expect(code).toBe(1)
    expect(stdout).toMatch(/last result: failure, exit status 1\n {2}! failed 1× in a row: can't resolve "command /)
  })

  test('without notify-send the journal has it, and no second unit fails', async ({ home }) => {
    rmSync(join(home.path, 'bin', 'notify-send'))
    home.sourceEndsWith(1)
    await home.json(['timer', 'install'])
    const ran = ['show', '--property=ExecMainExitTimestamp', '--value', 'mcp-launch-refresh-failed.service']
    await waitFor(async () => (await home.systemctl(...ran)).trim(), { what: 'the sentence in the journal' })
    expect(await home.systemctl('show', '--property=Result', '--value', 'mcp-launch-refresh-failed.service')).toBe(
      'success\n',
    )
  })

  test('for now: offline is no news', async ({ home }) => {
    home.sourceEndsWith(75)
    await home.json(['timer', 'install'])
    await home.firstRun()
    const { code, stdout } = await home.mcpLaunch(['timer', 'status'])
    expect(code).toBe(1)
    expect(stdout).toContain('last result: a source was out of reach\n')
    expect(home.lines('notified')).toEqual([])
    expect(await home.systemctl('list-units', '--failed', '--no-legend', 'mcp-*')).toBe('')
  })
})

test('no credential is written into a unit, and what the timer lacks for that is said', async ({ home, sandbox }) => {
  const secrets = { A: 'op://vault/item/field', B: { from: 'env:MINE', cache: true } }
  sandbox.writeFile(home.registry, JSON.stringify({ servers: { it: { ...server('report'), secrets } } }))
  const credentials = {
    OP_SERVICE_ACCOUNT_TOKEN: 'ops_never-in-a-unit',
    MINE: 'never-in-a-unit-either',
    SOPS_AGE_KEY: 'AGE-SECRET-KEY-NEVER',
  }
  const { code, stdout, stderr } = await home.mcpLaunch(['timer', 'install'], bundle, home.env(credentials))
  expect(code).toBe(0)
  expect(stderr).toBe(
    "mcp-launch: note: the timer has no OP_SERVICE_ACCOUNT_TOKEN, and so can't ask 1password: put the token into a " +
      'file of mode 0600, and "token: file:PATH" under "onepassword" into the registry\n' +
      'mcp-launch: note: the timer has no MINE: a value from a variable is not refreshed by it\n',
  )
  const texts = home.unitFiles().map((unit) => readFileSync(join(home.units, unit), 'utf8'))
  expect(texts).toHaveLength(3)
  for (const value of Object.values(credentials)) expect(texts.join('') + stdout + stderr).not.toContain(value)
})

describe('files of somebody else', () => {
  test('are neither written over nor removed', async ({ home, sandbox }) => {
    const theirs = sandbox.writeFile(join(home.units, SERVICE), '[Service]\nExecStart=true\n')
    const { code, stderr } = await home.mcpLaunch(['timer', 'install'])
    expect(code).toBe(1)
    expect(stderr).toContain('mcp-launch: error: won\'t touch "')
    expect(stderr).toContain('was not made by mcp-launch\n')
    expect(home.unitFiles()).toEqual([SERVICE])
    expect((await home.mcpLaunch(['timer', 'remove'])).stdout).toBe('nothing to remove\n')
    expect(readFileSync(theirs, 'utf8')).toBe('[Service]\nExecStart=true\n')
  })

  test('a link into a store is Home Manager’s', async ({ home, sandbox }) => {
    const store = sandbox.writeFile('store/x.timer', '# made by mcp-launch timer install\n')
    mkdirSync(home.units, { recursive: true })
    symlinkSync(store, join(home.units, TIMER))
    const { code, stderr } = await home.mcpLaunch(['timer', 'install'])
    expect(code).toBe(1)
    expect(stderr).toContain('hint: if NixOS or Home Manager put it there, change it in that configuration\n')
    expect(home.unitFiles()).toEqual([TIMER])
  })
})

test('a manager that has another XDG_CONFIG_HOME: an error, and no file is left', async ({ home, sandbox }) => {
  const env = home.env({ XDG_CONFIG_HOME: join(sandbox.home, 'config') })
  const { code, stderr } = await home.mcpLaunch(['timer', 'install', '--registry', home.registry], bundle, env)
  expect(code).toBe(1)
  expect(stderr).toMatch(/error: the user manager reads no units from ".*": it has another XDG_CONFIG_HOME\n/)
  expect(readdirSync(join(sandbox.home, 'config', 'systemd', 'user'))).toEqual([])
})

base.for(artefacts)(
  'without a manager: a line for the crontab that works, $name',
  async (artefact, { sandbox, skip }) => {
    const nowhere = withoutManager()
    if ('unavailable' in nowhere) return skip(nowhere.unavailable)
    sandbox.writeFile("it's mine/source", '#!/bin/sh\necho >>"$HOME/asked"\necho value\n', 0o755)
    const secrets = { TOKEN: { command: ["~/it's mine/source"] } }
    const registry = sandbox.writeFile(
      "it's mine/r.json",
      JSON.stringify({ servers: { it: { command: 'sh', secrets } } }),
    )
    const args = ['timer', 'install', '--registry', registry]
    const { code, stdout, stderr } = await outcome(await sandbox.launch(artefact, args, nowhere))
    expect(code).toBe(0)
    expect(stderr).toMatch(
      /^mcp-launch: note: no .*: add this line to your crontab, with crontab -e\n.* note: commands .* HOME, PATH: .*\n$/,
    )
    const [, hour, command = ''] = /^\d+ (\d)-23\/3 \* \* \* ([^\n%\\]+)\n$/.exec(stdout) ?? []
    expect(Number(hour)).toBeLessThan(3)
    // As cron does it: a shell, with an environment of almost nothing.
    const ran = await outcome(await sandbox.run(['env', '-i', `HOME=${sandbox.home}`, '/bin/sh', '-c', command]))
    expect(ran).toEqual({ code: 0, signal: null, stdout: '', stderr: '' })
    expect(readFileSync(join(sandbox.home, 'asked'), 'utf8')).toBe('\n')
    const json = await outcome(await sandbox.launch(artefact, [...args, '--json'], nowhere))
    expect(JSON.parse(json.stdout)).toMatchObject({ kind: 'crontab', line: stdout.trim(), everyMs: 3 * 3_600_000 })
    const status = await outcome(await sandbox.launch(artefact, ['timer', 'status', '--registry', registry], nowhere))
    expect(status).toMatchObject({ code: 1, stderr: '' })
    expect(status.stdout).toMatch(/^timer \(crontab\): not installed\n/)
  },
)
