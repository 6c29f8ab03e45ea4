import { audit, type Held } from '../audit.ts'
import { LaunchError } from '../errors.ts'
import type { Registered, SecretSpec, ServerEntry } from '../registry/entry.ts'
import type { CacheState } from '../secrets/cache/cached-source.ts'
import { cachedAge } from '../secrets/cache/peek.ts'
import { allWanted, innerSource, isRemote, secretSource, specsOf } from '../secrets/open.ts'
import type { Ref } from '../secrets/ref.ts'
import type { Outcome } from '../secrets/source.ts'
import type { Finished, World } from '../world.ts'
import { environmentVariables } from './environment-secrets.ts'

/** What became of one of the server's secrets. */
export interface SecretState {
  readonly name: string
  readonly spec: SecretSpec
  readonly outcome: Outcome | 'not asked'
  readonly cache?: CacheState
  /** Of a value that is in the cache. */
  readonly held?: Held
  /** For one that wasn't asked: why not, and what the cache has. */
  readonly remark?: string
}

export interface Asked {
  readonly states: readonly SecretState[]
  /** For stderr. */
  readonly notes: readonly string[]
}

export type Ask = (world: World, registered: Registered) => Promise<Asked>

/** As a launch asks: through the cache, and for what isn't there the sources. */
export const askForLaunch: Ask = async (world, registered) => {
  const specs = specsOf(registered.server)
  if (specs.length === 0) return { states: [], notes: [] }
  const notes: string[] = []
  const seen = new Map<string, Pick<SecretState, 'cache' | 'held'>>()
  const all = specs.map(([, spec]) => spec)
  const source = secretSource(world, registered, all, {
    startFetch: (nonces) => startFetch(world, registered, nonces),
    note: (text) => notes.push(text),
    seen: (ref, cache, dates) => seen.set(ref.text, { cache, ...heldOf(world, cache, dates) }),
    onDamage: (file, why) => audit(world, { event: 'damage', file, why }),
  })
  const outcomes = await source.resolve(
    all.map(({ from }) => from),
    deadline(world, registered),
  )
  const states = specs.flatMap(([name, spec]): SecretState[] => {
    const outcome = outcomes.get(spec.from.text) ?? 'not asked'
    return opened(registered.server, { name, spec, outcome, ...seen.get(spec.from.text) })
  })
  return { states, notes }
}

const HASH_CHARACTERS = 12

/** What was fetched apart has come just now: no later value was there. */
function heldOf(world: World, state: CacheState, dates: Held | undefined): { held?: Held } {
  if (state === 'not cached' || state === 'failed') return {}
  if (dates === undefined) return { held: { changedAt: world.now() } }
  const { changedAt, contentHash } = dates
  const hash = contentHash === undefined ? {} : { contentHash: contentHash.slice(0, HASH_CHARACTERS) }
  return { held: { changedAt, ...hash } }
}

/** A whole environment becomes its variables. */
function opened(server: ServerEntry, state: SecretState): SecretState[] {
  if (state.spec.from.kind !== 'op-env' || state.outcome === 'not asked') return [state]
  const variables = environmentVariables(server, state.outcome)
  if (variables instanceof LaunchError) return [{ ...state, outcome: variables }]
  return [...variables].map(([name, outcome]) => ({ ...state, name, outcome }))
}

/**
 * As `explain` asks: what a launch would take from the cache is there, and of the rest local files and variables only.
 * It runs no program of the user's and asks nobody over a network.
 */
export const askForExplanation: Ask = async (world, registered) => {
  const specs = specsOf(registered.server)
  const all = specs.map(([, spec]) => spec)
  const ages = await cachedAge(world, allWanted(world, registered, all), registered.settings.cache)
  const states = specs.map(async ([name, spec]): Promise<SecretState> => {
    const age = ages.get(spec.from.text)
    const inCache = age ?? 'not in the cache: a launch asks for it'
    if (age !== undefined || isRemote(spec.from)) return { name, spec, outcome: 'not asked', remark: inCache }
    const outcome = await askWithoutPrograms(world, registered, spec.from)
    const remark = `it takes a program (sops, or the one of SOPS_AGE_KEY_CMD); ${inCache}`
    return { name, spec, outcome, remark }
  })
  return { states: await Promise.all(states), notes: [] }
}

/** 'not asked' where the answer takes a program. */
async function askWithoutPrograms(world: World, registered: Registered, ref: Ref): Promise<Outcome | 'not asked'> {
  let isProgramNeeded = false
  const run = (): Promise<Finished> => {
    isProgramNeeded = true
    return Promise.resolve({ stdout: Buffer.alloc(0), stderr: '', end: { kind: 'not-started', errno: 'EPERM' } })
  }
  const source = innerSource({ ...world, processes: { ...world.processes, run } }, registered)
  const outcome = (await source.resolve([ref], deadline(world, registered))).get(ref.text)
  return outcome === undefined || (isProgramNeeded && outcome instanceof LaunchError) ? 'not asked' : outcome
}

function deadline(world: World, { settings }: Registered): number {
  return world.now() + settings.cache.resolveTimeoutMs
}

/** `secrets refresh` in a process of its own, which takes over the locks that we hold. */
function startFetch(world: World, { registryPath, server }: Registered, nonces: readonly string[]): Promise<void> {
  const [program, ...words] = world.processes.self
  const locks = nonces.flatMap((nonce) => ['--lock', nonce])
  const args = ['secrets', 'refresh', '--due', ...locks, '--registry', registryPath, server.name]
  return world.processes.startDetached([program, ...words, ...args], world.env)
}
