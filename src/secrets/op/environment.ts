import type { LaunchError } from '../../errors.ts'
import type { World } from '../../world.ts'
import { Secret } from '../secret.ts'
import type { Deadline } from '../source.ts'
import { ask } from './ask.ts'
import type { Connect, TokenSource } from './connection.ts'
import { sdkConnect } from './sdk.ts'

/**
 * All variables of a 1Password Environment by its ID (Developer → Environments → Copy environment ID), or why there
 * are none. The names are as 1Password has them, which need not be names that an environment can hold.
 */
export function opEnvironment(
  world: World,
  token: TokenSource,
  id: string,
  deadline: Deadline,
  connect: Connect = sdkConnect(world.env),
): Promise<ReadonlyMap<string, Secret> | LaunchError> {
  return ask(world, token, connect, deadline, async (connection) => {
    const variables = await connection.environment(id)
    return new Map(variables.map(({ name, value }) => [name, new Secret(value)]))
  })
}
