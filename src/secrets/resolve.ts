import { LaunchError } from '../errors.ts'
import { REF_FORMS } from './parse-ref.ts'
import { type Ref, refName } from './ref.ts'
import { Secret } from './secret.ts'
import type { Deadline, Outcome, Source } from './source.ts'

/**
 * Asks every source for all references at once and waits for all of them, so that all failures can be told together.
 * Each reference has an outcome: a value that an environment can hold, or the reason why there is none.
 */
export async function resolveRefs(
  sources: readonly Source[],
  refs: readonly Ref[],
  deadline: Deadline,
): Promise<ReadonlyMap<string, Outcome>> {
  const unique = [...new Map(refs.map((ref) => [ref.text, ref])).values()]
  const answers = await Promise.all(sources.map((source) => source.resolve(unique, deadline)))
  const outcomes = new Map<string, Outcome>()
  for (const ref of unique) {
    const outcome = answers.map((answer) => answer.get(ref.text)).find((found) => found !== undefined)
    outcomes.set(ref.text, outcome === undefined ? unanswered(ref) : checked(ref, outcome))
  }
  return outcomes
}

function unanswered(ref: Ref): LaunchError {
  return new LaunchError('failure', {
    what: "can't resolve",
    subject: refName(ref),
    why: 'no source of this program answers for it',
    hint: `use one of ${REF_FORMS}`,
  })
}

/** An environment's strings end at the first NUL. */
function checked(ref: Ref, outcome: Outcome): Outcome {
  if (!(outcome instanceof Secret) || !outcome.includes('\0')) return outcome
  return new LaunchError('failure', {
    what: "can't use the value of",
    subject: refName(ref),
    why: 'it holds a NUL byte, and an environment variable ends there',
    hint: 'store it encoded (base64) if the server can decode it',
  })
}
