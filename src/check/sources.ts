import { LaunchError } from '../errors.ts'
import type { SecretSpec, ServerEntry } from '../registry/entry.ts'
import { isBlocked } from '../secrets/cache/cooldown.ts'
import { readMeta } from '../secrets/cache/meta.ts'
import { places } from '../secrets/cache/places.ts'
import { allWanted, type Context, innerSource, specsOf } from '../secrets/open.ts'
import type { Ref } from '../secrets/ref.ts'
import type { Outcome } from '../secrets/source.ts'
import { span } from '../span.ts'
import type { World } from '../world.ts'
import { count, errorFindings, type Report } from './finding.ts'

/** Longer than a launch waits, so that a slow source can be told from one that doesn't answer. */
const LIMIT_MS = 30_000

/** References that are asked for together; `name` is the source's in the findings. */
interface Question {
  readonly name: string
  readonly refs: readonly Ref[]
}

/**
 * Asks every source that the servers use, once for all references and past the cache: what the cache still has hides
 * a token that was revoked. For 1Password that is one request, and none while it refuses requests for their number.
 * Nothing is written to the cache; the launches that follow use it as ever.
 *
 * @returns what each reference has, by its text.
 */
export async function checkSources(
  world: World,
  context: Context,
  servers: readonly ServerEntry[],
  report: Report,
): Promise<ReadonlyMap<string, Outcome>> {
  const specs = servers.flatMap((server) => specsOf(server).map(([, spec]) => spec))
  const outcomes = new Map<string, Outcome>()
  const source = innerSource(world, context)
  await Promise.all(
    questions(specs).map(async (question) => {
      if (isRateLimited(world, context, question, report)) return
      const startedAt = world.now()
      const answers = await source.resolve(question.refs, startedAt + LIMIT_MS)
      for (const [text, outcome] of answers) outcomes.set(text, outcome)
      judge(question, answers, specs, { tookMs: world.now() - startedAt, context }, report)
    }),
  )
  return outcomes
}

/** One question a source; each program for itself, and each encrypted file. */
function questions(specs: readonly SecretSpec[]): Question[] {
  const byName = new Map<string, Map<string, Ref>>()
  for (const { from } of specs) {
    const refs = byName.get(sourceName(from)) ?? new Map<string, Ref>()
    byName.set(sourceName(from), refs.set(from.text, from))
  }
  return [...byName].map(([name, refs]) => ({ name, refs: [...refs.values()] }))
}

/** How a finding calls where a value comes from; a program without its arguments, which are the user's, and long. */
export function sourceName(ref: Ref): string {
  switch (ref.kind) {
    case 'op':
      return '1password'
    case 'op-env':
    case 'file':
    case 'env':
      return ref.text
    case 'sops':
    case 'age':
      return `${ref.kind}:${ref.file}`
    case 'command':
      return `command ${ref.argv[0]}`
  }
}

function isRateLimited(world: World, context: Context, { name, refs: [from] }: Question, report: Report): boolean {
  if (from === undefined) return false
  const [item] = allWanted(world, context, [{ from, as: 'env', required: true }])
  if (item?.source === undefined) return false
  const block = readMeta(world, places(world)).sources[item.source]
  if (!isBlocked(block, world.now()) || block.refusal !== 'rate-limited') return false
  report({
    severity: 'error',
    code: 'unavailable',
    area: 'source',
    subject: name,
    what: 'source',
    why: `not asked: ${block.message}, and failed requests count too; asked again in ${span(block.until - world.now())}`,
    ...(block.hint === undefined ? {} : { action: block.hint }),
  })
  return true
}

function judge(
  { name, refs }: Question,
  answers: ReadonlyMap<string, Outcome>,
  specs: readonly SecretSpec[],
  { tookMs, context }: { tookMs: number; context: Context },
  report: Report,
): void {
  const isRequired = (ref: Ref): boolean => specs.some(({ from, required }) => required && from.text === ref.text)
  const failed = refs.filter((ref) => answers.get(ref.text) instanceof LaunchError)
  for (const ref of failed) {
    const error = answers.get(ref.text) as LaunchError
    for (const finding of errorFindings('source', sourceName(ref), error, isRequired(ref) ? 'error' : 'note'))
      report(finding)
  }
  if (failed.length > 0) return
  const base = { area: 'source', subject: name, what: 'source' } as const
  const limitMs = context.settings.cache.resolveTimeoutMs
  const why = `${count(refs.length, 'value')} in ${tookMs} ms`
  if (tookMs <= limitMs) report({ severity: 'ok', ...base, why })
  else {
    const late = `${why}, and a launch waits ${limitMs} ms`
    report({ severity: 'warning', ...base, why: late, action: 'raise "resolveTimeout" under "cache" in the registry' })
  }
}
