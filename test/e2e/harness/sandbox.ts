import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { test as base, inject } from 'vitest'
import type { Artefact } from './artefacts.ts'
import { type Connected, connect } from './client.ts'
import { type Launched, start } from './launched.ts'
import { kill, MARKER, markedProcesses } from './processes.ts'
import { runPrefix } from './temporary.ts'
import { killUnit, listUnits } from './units.ts'
import { waitFor } from './wait-for.ts'

const SYSTEM_PATH = '/usr/local/bin:/usr/bin:/bin'

type Variables = Readonly<Record<string, string>>

export interface LaunchOptions {
  /** In addition to `sandbox.env()`. */
  readonly env?: Variables
  /** The sandbox's home by default. */
  readonly cwd?: string
  /** Real pipes for stdin, stdout and stderr instead of Node's socket pairs. */
  readonly pipes?: boolean
  /** The beginning of the argv, before the artefact's own; as of `withManagerAtRunUser`. */
  readonly prefix?: readonly string[]
}

/** Tests with a `sandbox` of their own, which is closed when they end, however they end. */
export const test = base.extend('sandbox', ({ onTestFinished }) => {
  const sandbox = new Sandbox()
  onTestFinished(() => sandbox.close())
  return sandbox
})

/** A user's home that no one else uses, and all the processes that were started from it. */
export class Sandbox {
  /** A new 0700 directory; it holds everything of this sandbox. */
  readonly home: string
  readonly configDir: string
  readonly cacheDir: string
  readonly stateDir: string
  /** $XDG_CONFIG_HOME/mcp/servers.yaml. */
  readonly registry: string

  readonly #marker = randomBytes(8).toString('hex')
  readonly #pids: number[] = []
  readonly #clients: Connected[] = []
  #pipes = 0

  constructor() {
    this.home = mkdtempSync(join(tmpdir(), `${runPrefix()}home-`))
    this.configDir = join(this.home, '.config', 'mcp')
    this.cacheDir = join(this.home, '.cache', 'mcp-launch')
    this.stateDir = join(this.home, '.local', 'state', 'mcp-launch')
    this.registry = join(this.configDir, 'servers.yaml')
  }

  /** What the leanest clients pass, six variables, with the sandbox's marker and `extra`. */
  env(extra: Variables = {}): Record<string, string> {
    const user = userInfo().username
    const six = { HOME: this.home, LOGNAME: user, PATH: SYSTEM_PATH, SHELL: '/bin/sh', TERM: 'dumb', USER: user }
    return { ...six, [MARKER]: this.#marker, ...extra }
  }

  /** `env()` with XDG_RUNTIME_DIR of the run's user manager, where there is one. */
  envWithManager(extra: Variables = {}): Record<string, string> {
    const manager = inject('userManager')
    return this.env('runtimeDir' in manager ? { XDG_RUNTIME_DIR: manager.runtimeDir, ...extra } : extra)
  }

  /** Writes the registry, 0600: YAML text, or data. Returns its path. */
  writeRegistry(registry: string | object): string {
    // JSON is YAML.
    return this.writeFile(this.registry, typeof registry === 'string' ? registry : JSON.stringify(registry, null, 2))
  }

  /** Writes a file, by its path within the home or its absolute path, and its directories (0700). Returns its path. */
  writeFile(path: string, content: string | Uint8Array, mode = 0o600): string {
    const absolute = path.startsWith('/') ? path : join(this.home, path)
    mkdirSync(dirname(absolute), { recursive: true, mode: 0o700 })
    writeFileSync(absolute, content)
    chmodSync(absolute, mode)
    return absolute
  }

  /** Runs the launcher. */
  launch(artefact: Artefact, args: readonly string[], options: LaunchOptions = {}): Promise<Launched> {
    assertBuilt(artefact)
    return this.run([...(options.prefix ?? []), ...artefact.argv, ...args], options)
  }

  /** Runs any program in the sandbox. */
  async run(argv: readonly string[], { env, cwd = this.home, pipes = false }: LaunchOptions = {}): Promise<Launched> {
    const options = { argv, env: this.env(env), cwd }
    const launched = await start(pipes ? { ...options, pipesIn: this.#pipeDirectory() } : options)
    this.#pids.push(launched.pid)
    return launched
  }

  /** Connects a real MCP client through the launcher; `close()` of the sandbox closes it too. */
  async connect(artefact: Artefact, args: readonly string[], options: LaunchOptions = {}): Promise<Connected> {
    assertBuilt(artefact)
    const [command = '', ...rest] = [...(options.prefix ?? []), ...artefact.argv, ...args]
    const { env, cwd = this.home } = options
    const connected = await connect({ command, args: rest, env: this.env(env), cwd })
    this.#pids.push(connected.pid)
    this.#clients.push(connected)
    return connected
  }

  /** What is alive of this sandbox: `process <pid>: <argv>` and `unit <name>` of its launches. */
  async leftovers(): Promise<string[]> {
    const processes = markedProcesses(this.#marker, this.home).map(({ pid, command }) => `process ${pid}: ${command}`)
    return [...processes, ...(await this.#units()).map((unit) => `unit ${unit}`)]
  }

  /**
   * Waits until nothing of this sandbox is alive.
   * @throws after `limitMs` (10 s), with a list of what is.
   */
  async expectNothingLeft(limitMs = 10_000): Promise<void> {
    let left: string[] = []
    const gone = async (): Promise<boolean> => {
      left = await this.leftovers()
      return left.length === 0
    }
    await waitFor(gone, { what: 'the end of everything', limitMs }).catch((cause: unknown) => {
      throw new Error(`left behind after ${limitMs} ms:\n${left.join('\n')}`, { cause })
    })
  }

  /** Kills everything that is left, and removes the directory. */
  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()))
    await waitFor(() => this.#killAll(), { what: 'the end of all processes of the sandbox' })
    const manager = inject('userManager')
    for (const unit of await this.#units()) await killUnit(manager, unit)
    rmSync(this.home, { recursive: true, force: true })
  }

  /** True when there was nothing to kill. */
  #killAll(): boolean {
    const left = markedProcesses(this.#marker, this.home)
    for (const { pid } of left) kill(pid)
    return left.length === 0
  }

  /** A launch's units have its pid in their names. */
  async #units(): Promise<string[]> {
    if (this.#pids.length === 0) return []
    const units = await listUnits(inject('userManager'), 'mcp-*')
    return units.filter((unit) => this.#pids.some((pid) => unit.endsWith(`-${pid}.scope`)))
  }

  #pipeDirectory(): string {
    this.#pipes += 1
    const directory = join(this.home, `.pipes-${this.#pipes}`)
    mkdirSync(directory, { mode: 0o700 })
    return directory
  }
}

function assertBuilt({ file }: Artefact): void {
  if (!existsSync(file)) throw new Error(`${file} is not there: npm run build`)
}
