import { expect, test } from 'vitest'
import { refresh } from '../../../src/commands/secrets/refresh.ts'
import { User } from './home.ts'

const DAY_MS = 86_400_000

test('what was taken out of the registry is gone from the cache after its time', async () => {
  const user = new User()
  user.register({ one: { A: user.script('a', 'echo canary-a') }, two: { B: user.script('b', 'echo canary-b') } })
  await refresh(user.world, [], {})
  user.register({ one: { A: user.script('a', 'echo canary-a') } })
  user.shift += 6 * DAY_MS
  await refresh(user.world, [], {})
  // It may be in use by another registry until then.
  expect(await user.cached()).toEqual(['canary-a', 'canary-b'])
  user.shift += 2 * DAY_MS
  await refresh(user.world, [], {})
  expect(await user.cached()).toEqual(['canary-a'])
  user.shift += 31 * DAY_MS
  await refresh(user.world, [], {})
  expect(Object.values((await user.store()).readMeta().refs).map(({ text }) => text)).toHaveLength(1)
})
