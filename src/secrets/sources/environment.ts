import type { World } from '../../world.ts'
import type { Ref } from '../ref.ts'
import { Secret } from '../secret.ts'
import { type Outcome, type Source, SourceError } from '../source.ts'

/** `env:NAME`: a variable of the launcher's own environment. An empty one counts as not set. */
export function environmentSource(world: World): Source {
  return {
    resolve(refs) {
      const own = refs.filter((ref) => ref.kind === 'env')
      return Promise.resolve(new Map(own.map((ref) => [ref.text, readValue(world, ref)])))
    },
  }
}

function readValue(world: World, ref: Extract<Ref, { kind: 'env' }>): Outcome {
  const value = world.env[ref.name]
  if (value !== undefined && value !== '') return new Secret(value)
  return new SourceError('not-asked', {
    what: "can't resolve",
    subject: ref.text,
    why: value === undefined ? `${ref.name} is not set in the client's environment` : `${ref.name} is empty`,
    hint: `let the client pass ${ref.name} on, or name another source`,
  })
}
