import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import * as z from 'zod'
import { EXAMPLE_REGISTRY } from '../../src/registry/example.ts'
import { registryJsonSchema } from '../../src/registry/json-schema.ts'

type Schema = { [key: string]: unknown }

/** Every property of every object, with its path. */
function properties(schema: Schema, path: string): [string, Schema][] {
  const own = Object.entries((schema['properties'] ?? {}) as Record<string, Schema>)
  const inner = [schema['additionalProperties'], schema['items'], ...((schema['anyOf'] ?? []) as unknown[])]
  return [
    ...own.flatMap(([name, value]): [string, Schema][] => [
      [`${path}/${name}`, value],
      ...properties(value, `${path}/${name}`),
    ]),
    ...inner.flatMap((value) => (typeof value === 'object' ? properties(value as Schema, `${path}/*`) : [])),
  ]
}

describe('the JSON Schema', () => {
  const schema = registryJsonSchema() as Schema

  it('is of draft 2020-12 and survives JSON', () => {
    expect(schema['$schema']).toBe('https://json-schema.org/draft/2020-12/schema')
    expect(JSON.parse(JSON.stringify(schema))).toEqual(schema)
  })

  it('describes every property', () => {
    const all = properties(schema, '')
    expect(all.filter(([, property]) => typeof property['description'] !== 'string').map(([path]) => path)).toEqual([])
    expect(all.map(([path]) => path)).toEqual(
      expect.arrayContaining([
        '/$schema',
        '/defaults/limits/memoryMax',
        '/onepassword/token',
        '/cache/resolveTimeout',
        '/servers/*/command',
        '/servers/*/secrets/*/*/from',
        '/servers/*/deathSignal',
      ]),
    )
  })

  it('is about what users write, and not what is made of it', () => {
    expect(schema['required']).toEqual(['servers'])
    expect(schema).toMatchObject({
      additionalProperties: false,
      patternProperties: { '^x-': {} },
      properties: {
        cache: { properties: { ttl: { type: 'string', default: '4h' } } },
        servers: {
          propertyNames: { pattern: '^[a-z0-9][a-z0-9._-]{0,199}$' },
          additionalProperties: { required: ['command'] },
        },
      },
    })
  })

  it('agrees with the registry that init writes, and not with mistakes', () => {
    const validator = z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0])
    expect(validator.safeParse(parse(EXAMPLE_REGISTRY)).success).toBe(true)
    for (const bad of [{}, { servers: { a: {} } }, { servers: { a: { command: 'x', comand: 'y' } } }]) {
      expect(validator.safeParse(bad).success).toBe(false)
    }
  })
})
