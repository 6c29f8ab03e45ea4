import { expect, test } from 'vitest'
import { LaunchError } from '../../src/errors.ts'
import { environmentVariables } from '../../src/launch/environment-secrets.ts'
import { parseEnvironmentRef, parseRef } from '../../src/secrets/parse-ref.ts'
import { Secret } from '../../src/secrets/secret.ts'
import { SERVER } from './plan-input.ts'

const server = {
  ...SERVER,
  environment: parseEnvironmentRef('op-env:abc123'),
  secrets: { OWN: { from: parseRef('env:X'), as: 'env', required: true } as const },
}
const box = (values: Record<string, string>) =>
  Secret.ofMap(new Map(Object.entries(values).map(([name, value]) => [name, new Secret(value)])))
const opened = (values: Record<string, string>) => environmentVariables(server, box(values))

test("its variables are the server's, and the server's own secrets go over them", () => {
  const variables = opened({ TOKEN: 'canary', EMPTY: '', OWN: 'other' })
  if (variables instanceof LaunchError) throw variables
  expect([...variables].map(([name, value]) => [name, value.reveal()])).toEqual([
    ['TOKEN', 'canary'],
    ['EMPTY', ''],
  ])
})

test.each(['PATH', 'LD_PRELOAD', 'NODE_OPTIONS', 'A B', '1A', '', 'A=B'])('it may not set %j', (name) => {
  const refused = opened({ TOKEN: 'canary', [name]: 'canary' })
  expect(refused).toBeInstanceOf(LaunchError)
  expect((refused as LaunchError).message).toBe(
    `can't use "op-env:abc123": it sets ${JSON.stringify(name)}, which no secret may set`,
  )
})

test('why there is none is handed on', () => {
  const error = new LaunchError('unavailable', { what: 'no network' })
  expect(environmentVariables(server, error)).toBe(error)
})

test('a box of many prints as one', () => {
  expect(`${box({ TOKEN: 'canary' })}${JSON.stringify(box({ TOKEN: 'canary' }))}`).toBe('[redacted]"[redacted]"')
})

test.each(['op-env:', 'op-env:a b', 'op://v/i/f', 'abc'])('%j is no environment', (text) => {
  expect(() => parseEnvironmentRef(text)).toThrow('is no 1Password Environment')
})
