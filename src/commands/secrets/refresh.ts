import { audit } from '../../audit.ts'
import { EXIT, LaunchError } from '../../errors.ts'
import { adoptLock, type Lock, tryLock, WRITING_MS } from '../../lock.ts'
import type { SecretSpec } from '../../registry/entry.ts'
import { LiveOutput } from '../../report/live-output.ts'
import { oneLine } from '../../report/messages.ts'
import { AT_ONCE, type Fetched, type FetchOptions, fetchDue } from '../../secrets/cache/fetch.ts'
import type { Wanted } from '../../secrets/cache/policy.ts'
import { questionLock, questionOf } from '../../secrets/cache/question.ts'
import { openStore } from '../../secrets/cache/store.ts'
import { allWanted, innerSource, specsOf } from '../../secrets/open.ts'
import { DEFAULT_TOKEN } from '../../secrets/ref.ts'
import { openToken } from '../../secrets/token.ts'
import type { World } from '../../world.ts'
import { Asking } from './asking.ts'
import { lockOrRefuse } from './lock-or-refuse.ts'
import { type Selection, select } from './selection.ts'

export interface RefreshOptions {
  readonly registry?: string
  readonly json?: boolean
  /** For a launch: only what is missing or nearly expired, and nothing that was refused a short while ago. */
  readonly due?: boolean
  /** For a timer: everything but what was refused a short while ago. */
  readonly scheduled?: boolean
  /** The nonces of locks that were taken for us. */
  readonly lock?: readonly string[]
}

/** A fetch ends by itself even if a source never answers. */
const FETCH_LIMIT_MS = 60_000

/**
 * `mcp-launch secrets refresh [server…]`: asks the sources anew. With `--due`, what a launch starts behind itself: all
 * 1Password references of the registry are then one request, whichever server asked first.
 *
 * @returns 0, or the exit status of the worst refusal, also of an earlier one that still holds.
 */
export async function refresh(world: World, names: readonly string[], options: RefreshOptions): Promise<number> {
  const selection = select(world, names, options.registry)
  const store = await openStore(world, (file, why) => audit(world, { event: 'damage', file, why }))
  if (store instanceof LaunchError) throw store
  const wanted = items(world, selection, options)
  const output = options.json || options.due ? undefined : new LiveOutput(world.terminal)
  const rows: Fetched[] = []
  const token = openToken(world, selection.context)
  const inner = innerSource(world, selection.context, { token, byProgram: isForProgram(world, selection, options) })
  const limitMs = Math.max(FETCH_LIMIT_MS, selection.context.settings.cache.resolveTimeoutMs)
  // As long as the question and the entering of its answer, behind another writer, may take.
  const holdMs = limitMs + 2 * WRITING_MS
  const questions = [...new Set(wanted.map(questionOf))]
  // At once: a question may wait for others, and who took its lock for us has it for a few seconds only.
  const adopted = new Map(
    questions.map((question) => {
      const path = questionLock(world, store.places, question)
      return [question, adopt(world, path, holdMs * Math.ceil(questions.length / AT_ONCE), options)]
    }),
  )
  if (wanted.length === 0) output?.write('nothing to refresh: there is no secret that is cached\n')
  await fetchDue(world, store, inner, wanted, {
    which: options.due ? 'due' : 'all',
    evenIfBlocked: !options.due && !options.scheduled,
    limitMs,
    maxStaleMs: longestUse(selection),
    lockFor: (question) =>
      adopted.get(question) ?? takeLock(world, questionLock(world, store.places, question), holdMs, options),
    tokenPrint: token.print,
    onFetched: (fetched) => {
      rows.push(fetched)
      recordFetched(world, fetched)
      output?.write(`${rowText(fetched, options.scheduled)}\n`)
    },
    onAsking: output === undefined ? () => () => {} : new Asking(world, output).begin,
    onPurged: ({ ref }) => audit(world, { event: 'purge', ref: ref.text }),
    onBlocked: recordBlock(world),
  })
  if (options.json)
    world.terminal.writeOut(
      `${JSON.stringify({ secrets: rows.map((row) => rowFacts(row, options.scheduled)) }, null, 2)}\n`,
    )
  return exitCode(rows)
}

/**
 * Without a service account a person may unlock 1Password; nobody else is ever prompted. A token that the registry
 * names and that can't be had is no reason: the person's own account may be another.
 */
function isForProgram(world: World, { context }: Selection, { due, scheduled }: RefreshOptions): boolean {
  if (due || scheduled || !world.terminal.stdinIsTerminal) return false
  return context.settings.onepassword.token.text === `env:${DEFAULT_TOKEN}` && !world.env[DEFAULT_TOKEN]
}

/** The lock that a launch took for its fetcher. */
function adopt(world: World, path: string, limitMs: number, { lock = [] }: RefreshOptions): Lock | undefined {
  return lock.map((nonce) => adoptLock(world, path, nonce, limitMs)).find((adopted) => adopted !== undefined)
}

/**
 * A launch's fetcher that comes too late for the locks that were taken for it takes free ones, and leaves a question to
 * whoever asks it already; a person waits for that to end.
 */
function takeLock(
  world: World,
  path: string,
  limitMs: number,
  { due }: RefreshOptions,
): Lock | undefined | Promise<Lock> {
  return due ? tryLock(world, path, limitMs) : lockOrRefuse(world, path, limitMs)
}

/** Also another server's, which may use the same value for longer than who asks for it now. */
function longestUse({ registry, context }: Selection): number {
  const own = [...registry.servers.values()].flatMap((server) => specsOf(server).map(([, { cache }]) => cache))
  const { maxStaleMs, ttlMs } = context.settings.cache
  return Math.max(maxStaleMs, ttlMs, ...own.filter((time) => typeof time === 'number'))
}

/** What another server says of a reference's caching counts for that server. */
function items(world: World, { registry, context, servers }: Selection, { due }: RefreshOptions): Wanted[] {
  const cached = (some: Selection['servers']): SecretSpec[] =>
    some
      .flatMap((server) => specsOf(server).map(([, spec]) => spec))
      .filter((spec) => allWanted(world, context, [spec]).every(({ policy }) => policy.kind !== 'never'))
  const named = allWanted(world, context, cached(servers)).filter(({ policy }) => !due || policy.kind === 'time')
  const enabled = [...registry.servers.values()].filter((server) => server.enabled)
  const isTogether = due && named.some(({ ref }) => ref.kind === 'op')
  const together = isTogether ? cached(enabled).filter(({ from }) => from.kind === 'op') : []
  const keys = new Set(named.map(({ key }) => key))
  return [...named, ...allWanted(world, context, together).filter(({ key }) => !keys.has(key))]
}

function recordFetched(world: World, { item, outcome }: Fetched): void {
  if (outcome === 'fresh' || outcome === 'blocked') return
  const isError = outcome instanceof LaunchError
  audit(world, {
    event: 'refresh',
    ref: item.ref.text,
    outcome: isError ? 'failed' : 'fetched',
    ...(isError ? { error: outcome.message } : {}),
  })
}

function recordBlock(world: World): FetchOptions['onBlocked'] {
  return (source, { until, failures, message }) => {
    audit(world, { event: 'cooldown', source, until: new Date(until).toISOString(), failures, error: message })
  }
}

/** @param isLogged what is printed goes to a log: a timer's. */
function rowFacts({ item, outcome, refused }: Fetched, isLogged = false) {
  const ref = item.ref.text
  const reason = (error: LaunchError) => ({ error: isLogged ? error.message : error.shown, hint: error.hint })
  if (outcome === 'blocked' && refused !== undefined) return { ref, outcome, ...reason(refused) }
  if (outcome === 'fresh' || outcome === 'blocked') return { ref, outcome }
  if (outcome instanceof LaunchError) return { ref, outcome: 'failed', ...reason(outcome) }
  return { ref, outcome: 'fetched' }
}

function rowText(fetched: Fetched, isLogged = false): string {
  const { ref, outcome, error, hint } = rowFacts(fetched, isLogged) as ReturnType<typeof rowFacts> & {
    error?: string
    hint?: string
  }
  if (error === undefined) return `${outcome}  ${oneLine(ref)}`
  return `${outcome}  ${oneLine(error)}${hint === undefined ? '' : `\n        hint: ${oneLine(hint)}`}`
}

/** What would have been renewed and wasn't counts, whether it was asked for or is blocked. */
function exitCode(rows: readonly Fetched[]): number {
  const errors = rows.flatMap(({ outcome, refused }) => (outcome instanceof LaunchError ? outcome : (refused ?? [])))
  const lasting = errors.find(({ code }) => code !== 'unavailable')
  return lasting?.exitCode ?? (errors.length > 0 ? EXIT.unavailable : 0)
}
