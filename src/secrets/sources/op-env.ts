import { LaunchError } from '../../errors.ts'
import type { World } from '../../world.ts'
import type { Connect, TokenSource } from '../op/connection.ts'
import { opEnvironment } from '../op/environment.ts'
import { Secret } from '../secret.ts'
import type { Outcome, Source } from '../source.ts'

/** `op-env:ID`: all variables of a 1Password Environment in one box (`Secret.ofMap`). */
export function opEnvironmentSource(world: World, token: TokenSource, connect?: Connect): Source {
  return {
    async resolve(refs, deadline) {
      const own = refs.filter((ref) => ref.kind === 'op-env')
      const answers = await Promise.all(
        own.map(async ({ id, text }): Promise<[string, Outcome]> => {
          const variables = await opEnvironment(world, token, id, deadline, connect)
          return [text, variables instanceof LaunchError ? variables : Secret.ofMap(variables)]
        }),
      )
      return new Map(answers)
    },
  }
}
