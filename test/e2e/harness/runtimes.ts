import { execFile } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { ROOT } from './root.ts'
import type { Unavailable } from './unavailable.ts'

const run = promisify(execFile)
const INSTALL_LIMIT_MS = 180_000
const PINNED = join(ROOT, 'test', 'runtimes')
const INSTALLED = join(PINNED, 'node_modules')

/** A Node executable, or why there is none. */
export type Runtime = { readonly node: string } | Unavailable

/** Other Node versions that tests run the bundle on. */
export interface Runtimes {
  /** The oldest one with `process.execve`, and so the oldest that the bundle supports. */
  readonly oldest: Runtime
  /** Too old: it has no `process.execve`. */
  readonly withoutExecve: Runtime
}

const VERSIONS = { oldest: '22.15.0', withoutExecve: '20.20.2' }

/** The pinned Node versions, installed from npm on first use. Never throws; safe in parallel. */
export async function openRuntimes(): Promise<Runtimes> {
  const first = await look()
  if (!('unavailable' in first.oldest) && !('unavailable' in first.withoutExecve)) return first
  // npm passes over an optional package that it can't get.
  const failure = (await install().catch((error: Error) => error)) ?? new Error('npm ci did not bring it')
  const second = await look()
  return { oldest: because(second.oldest, failure), withoutExecve: because(second.withoutExecve, failure) }
}

async function look(): Promise<Runtimes> {
  const [oldest, withoutExecve] = await Promise.all([find(VERSIONS.oldest), find(VERSIONS.withoutExecve)])
  return { oldest, withoutExecve }
}

async function find(version: string): Promise<Runtime> {
  const platform = `${process.platform}-${process.arch}`
  const node = join(INSTALLED, `node-${version.split('.')[0]}-${platform}`, 'bin', 'node')
  if (!existsSync(node)) return { unavailable: `no node ${version} for ${platform} in test/runtimes` }
  const found = await run(node, ['--version']).catch((error: Error) => error)
  if (found instanceof Error) return { unavailable: `node ${version} does not start: ${found.message}` }
  return found.stdout.trim() === `v${version}` ? { node } : { unavailable: `${node} is ${found.stdout.trim()}` }
}

/** Into a directory of its own and then renamed: whoever looks sees all of it or nothing. */
async function install(): Promise<undefined> {
  const cache = join(ROOT, 'node_modules', '.cache')
  mkdirSync(cache, { recursive: true })
  const staging = mkdtempSync(join(cache, 'runtimes-'))
  try {
    for (const name of ['package.json', 'package-lock.json']) copyFileSync(join(PINNED, name), join(staging, name))
    await run('npm', ['ci', '--prefix', staging, '--ignore-scripts', '--no-audit', '--no-fund'], {
      env: { ...process.env, PATH: `${dirname(process.execPath)}:${process.env['PATH']}` },
      timeout: INSTALL_LIMIT_MS,
    })
    replace(join(staging, 'node_modules'), join(staging, 'old'))
  } finally {
    rmSync(staging, { recursive: true, force: true })
  }
}

function replace(fresh: string, aside: string): void {
  try {
    if (existsSync(INSTALLED)) renameSync(INSTALLED, aside)
    renameSync(fresh, INSTALLED)
  } catch (error) {
    // Another run was quicker with the same.
    if (!existsSync(INSTALLED)) throw error
  }
}

function because(runtime: Runtime, failure: Error): Runtime {
  return 'unavailable' in runtime ? { unavailable: `${runtime.unavailable}: ${failure.message.trim()}` } : runtime
}
