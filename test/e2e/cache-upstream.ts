import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { LaunchError } from '../../src/errors.ts'
import { openStore, type Store } from '../../src/secrets/cache/store.ts'
import type { CachedValue } from '../../src/secrets/cache/values.ts'
import { Secret } from '../../src/secrets/secret.ts'
import { testWorld } from '../world.ts'
import { type Artefact, executable } from './harness/artefacts.ts'
import { type Outcome, outcome } from './harness/outcome.ts'
import type { LaunchOptions, Sandbox } from './harness/sandbox.ts'

/** A password manager of a few lines of shell, which writes each question down. */
export interface Upstream {
  /** As a registry has it. */
  readonly ref: { readonly command: readonly string[] }
  /** The questions so far. */
  calls(): number
  answer(value: string): void
  /** What it does before it answers, in shell. */
  behave(script: string): void
}

/** Found nowhere but where a test puts it. */
export const CANARY = 'canary-7f3a9c51e2'

export function upstream(sandbox: Sandbox, name = 'upstream'): Upstream {
  const file = (what: string) => join(sandbox.home, `${name}.${what}`)
  const program = sandbox.writeFile(
    `${name}.sh`,
    `#!/bin/sh\necho "$$" >> ${file('calls')}\n. ${file('behaviour')}\ncat ${file('value')}\n`,
    0o700,
  )
  const self: Upstream = {
    ref: { command: [program] },
    calls: () => lines(file('calls')).length,
    answer: (value) => void sandbox.writeFile(file('value'), value),
    behave: (script) => void sandbox.writeFile(file('behaviour'), `${script}\n`),
  }
  self.answer(CANARY)
  self.behave(':')
  return self
}

export function lines(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n').filter(Boolean)
  } catch {
    return []
  }
}

/** A server that prints its secret and ends. */
export const PRINTS = { command: 'sh', args: ['-c', 'printf "%s\\n" "$API_KEY"'], scope: 'off' } as const

/** One that runs until it is stopped. */
export const STAYS = { command: 'sh', args: ['-c', 'echo ready; exec sleep 1000'], scope: 'off' } as const

/** A registry with one server `it` that prints a secret of the upstream. */
export function printing({ ref }: Upstream, cache: object = {}): object {
  return { cache, servers: { it: { ...PRINTS, secrets: { API_KEY: ref } } } }
}

/** Runs the launcher to its end. */
export async function run(
  sandbox: Sandbox,
  args: readonly string[],
  { artefact = executable, ...options }: LaunchOptions & { artefact?: Artefact } = {},
): Promise<Outcome> {
  return outcome(await sandbox.launch(artefact, args, options))
}

/** Launches so many at once, each to its end. */
export function atOnce(count: number, launch: (index: number) => Promise<Outcome>): Promise<Outcome[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => launch(index)))
}

/** Launches so many in all, a few at a time. */
export async function inTurn(count: number, launch: (index: number) => Promise<Outcome>): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  let next = 0
  const work = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) outcomes[index] = await launch(index)
  }
  await Promise.all(Array.from({ length: 8 }, work))
  return outcomes
}

/** The sandbox's cache, from inside. */
export async function storeOf(sandbox: Sandbox, damage: string[] = []): Promise<Store> {
  const store = await openStore(testWorld({ env: sandbox.env() }), (_, why) => damage.push(why))
  if (store instanceof LaunchError) throw store
  return store
}

/** Makes all that the cache holds older. */
export async function age(sandbox: Sandbox, byMs: number): Promise<void> {
  await change(sandbox, (value) => ({ ...value, fetchedAt: value.fetchedAt - byMs, changedAt: value.changedAt - byMs }))
}

/** Nobody else writes there. */
const OURS = { isOurs: () => true }

async function change(sandbox: Sandbox, how: (value: CachedValue) => CachedValue): Promise<void> {
  const store = await storeOf(sandbox)
  const values = await store.readValues()
  await store.write(new Map([...values].map(([key, value]) => [key, how(value)])), store.readMeta(), OURS)
}

/** The key of a 1Password reference's value, in a registry that names no token. */
export const opKey = (ref: string): string => `${ref} of 1password by env:OP_SERVICE_ACCOUNT_TOKEN`

/** Puts a fresh value into the cache. */
export async function plant(sandbox: Sandbox, key: string, value: string): Promise<void> {
  const store = await storeOf(sandbox)
  const dates = { fetchedAt: Date.now(), changedAt: Date.now() }
  await store.write(
    new Map([...(await store.readValues()), [key, { value: new Secret(value), ...dates }]]),
    store.readMeta(),
    OURS,
  )
}

/** The lines of the audit log, old ones too. */
export function auditLines(sandbox: Sandbox): Record<string, unknown>[] {
  return ['.3', '.2', '.1', '']
    .flatMap((end) => lines(join(sandbox.stateDir, `audit.jsonl${end}`)))
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

/** The files in the cache's directory. */
export function cacheFiles(sandbox: Sandbox): string[] {
  return readdirSync(sandbox.cacheDir).sort()
}
