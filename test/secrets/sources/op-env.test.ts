import { expect, test } from 'vitest'
import { LaunchError } from '../../../src/errors.ts'
import type { Connect } from '../../../src/secrets/op/connection.ts'
import { parseEnvironmentRef, parseRef } from '../../../src/secrets/parse-ref.ts'
import { Secret } from '../../../src/secrets/secret.ts'
import { opEnvironmentSource } from '../../../src/secrets/sources/op-env.ts'
import { testWorld } from '../../world.ts'

const connect: Connect = (token) =>
  Promise.resolve({
    resolveAll: () => Promise.reject(new Error('not asked for')),
    environment: (id) => Promise.resolve([{ name: 'TOKEN', value: `${id} of ${token}`, masked: true }]),
  })
const token = () => Promise.resolve(new Secret('ops_token'))
const later = () => Date.now() + 10_000

test('an environment is one answer, with its variables in it; other references are not its own', async () => {
  const refs = [parseEnvironmentRef('op-env:one'), parseRef('op://v/i/f')]
  const answer = await opEnvironmentSource(testWorld(), token, connect).resolve(refs, later())
  expect([...answer.keys()]).toEqual(['op-env:one'])
  const outcome = answer.get('op-env:one')
  if (!(outcome instanceof Secret)) throw outcome
  expect([...outcome.toMap()].map(([name, value]) => [name, value.reveal()])).toEqual([['TOKEN', 'one of ops_token']])
})

test('why there is none is an error in the answer', async () => {
  const refuse: Connect = () => Promise.reject(new Error('authentication error: rate limit exceeded'))
  const answer = await opEnvironmentSource(testWorld(), token, refuse).resolve(
    [parseEnvironmentRef('op-env:one')],
    later(),
  )
  const outcome = answer.get('op-env:one')
  expect(outcome).toBeInstanceOf(LaunchError)
  expect((outcome as LaunchError).exitCode).toBe(75)
})
