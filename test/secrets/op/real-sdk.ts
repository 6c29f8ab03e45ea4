/**
 * A program: asks the real SDK, and prints what came of it. The certificates and the proxy that a process trusts are
 * settled when it starts, so this is a process of its own. stdin: a {@link Question} as JSON; stdout: {@link Answer}s.
 */
import { text } from 'node:stream/consumers'
import { inspect } from 'node:util'
import { realWorld } from '../../../src/real-world.ts'
import { opEnvironment } from '../../../src/secrets/op/environment.ts'
import { parseRef } from '../../../src/secrets/parse-ref.ts'
import { Secret } from '../../../src/secrets/secret.ts'
import { SourceError } from '../../../src/secrets/source.ts'
import { opSource } from '../../../src/secrets/sources/op.ts'

export interface Question {
  readonly token: string
  readonly refs?: readonly string[]
  readonly environment?: string
  readonly limitMs: number
}

export interface Answer {
  readonly refusal: string
  readonly message: string
  readonly hint: string
  /** Everything that printing it could show. */
  readonly printed: string
}

if (import.meta.main) {
  const question = JSON.parse(await text(process.stdin)) as Question
  process.stdout.write(JSON.stringify(await answer(question)))
  process.exit(0)
}

async function answer(question: Question): Promise<Answer[]> {
  const world = realWorld()
  const token = () => Promise.resolve(new Secret(question.token))
  const deadline = world.now() + question.limitMs
  if (question.environment !== undefined) {
    return [shown(await opEnvironment(world, token, question.environment, deadline))]
  }
  const refs = (question.refs ?? []).map(parseRef)
  const outcomes = await opSource(world, token).resolve(refs, deadline)
  return refs.map((ref) => shown(outcomes.get(ref.text)))
}

function shown(outcome: unknown): Answer {
  const printed = `${inspect(outcome, { depth: 9, showHidden: true })} ${JSON.stringify(outcome)} ${outcome}`
  if (outcome instanceof SourceError) {
    return { refusal: outcome.refusal, message: outcome.message, hint: outcome.hint ?? '', printed }
  }
  return { refusal: 'none', message: String(outcome), hint: '', printed }
}
