import { expect, test } from 'vitest'
import { knownSecrets } from '../../src/check/known-secrets.ts'
import { refresh } from '../../src/commands/secrets/refresh.ts'
import { loadRegistry } from '../../src/registry/load.ts'
import { registryPath } from '../../src/registry/locate.ts'
import { User } from '../commands/secrets/home.ts'

/** What is unknown of each server's secrets when nothing but the cache has been asked. */
async function unknown(user: User, name: string): Promise<readonly string[]> {
  const path = registryPath(user.world, undefined)
  const { servers, settings } = loadRegistry(user.world, path)
  const entry = servers.get(name)
  if (entry === undefined) throw new Error(`no ${name}`)
  return (await knownSecrets(user.world, { registryPath: path, settings }, entry, new Map())).unknown
}

test('what a launch asks for anew is unknown, whatever the cache has of another server', async () => {
  const user = new User()
  const a = user.script('a', 'echo canary')
  user.register({ kept: { A: a }, anew: { A: { from: a, cache: false } } })
  expect(await unknown(user, 'kept')).toEqual([`command ${user.home}/a.sh`])
  await refresh(user.world, ['kept'], {})
  expect(await unknown(user, 'kept')).toEqual([])
  expect(await unknown(user, 'anew')).toEqual([`command ${user.home}/a.sh`])
})
