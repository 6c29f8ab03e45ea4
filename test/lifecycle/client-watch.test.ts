import { describe, expect, test } from 'vitest'
import { bindingTo, provideWatch, type WatchHost, watchOf } from '../../src/lifecycle/client-watch.ts'
import type { WatchTemplate } from '../../src/lifecycle/watch-unit.ts'
import { realWorld } from '../../src/real-world.ts'
import type { World } from '../../src/world.ts'
import { testWorld } from '../world.ts'

const HOST: WatchHost = {
  runtimeDirectory: '/run/user/1000',
  manager: { listening: true },
  tools: { tail: '/usr/bin/tail' },
}
const CLIENT = 42
const STAT = `42 (a) b) S 1 2 3 ${'0 '.repeat(15)}7 0 0`

/** A machine of these files; `writes` tells which were written, and how often. */
function machine(files: Record<string, string>, { isReadOnly = false, parent = CLIENT } = {}) {
  const writes: string[] = []
  const failing = (code: string): never => {
    throw Object.assign(new Error(code), { code })
  }
  const world: World = testWorld({
    platform: 'linux',
    parentPid: () => parent,
    files: {
      ...realWorld().files,
      read: (path) => Buffer.from(files[path] ?? failing('ENOENT')),
      makeDirectory: () => (isReadOnly ? failing('EROFS') : undefined),
      writeWhole(path, content) {
        if (isReadOnly) failing('EROFS')
        writes.push(path)
        files[path] = content.toString()
      },
    },
  })
  return { world, files, writes }
}

function provided(world: World, host = HOST): WatchTemplate {
  const template = provideWatch(world, host)
  if ('why' in template) throw new Error(template.why)
  return template
}

describe('the unit’s file', () => {
  test('is written once, where systemd looks for it', () => {
    const { world, files, writes } = machine({})
    const { prefix, text } = provided(world)
    expect(prefix).toMatch(/^mcp-client-[0-9a-f]{8}@$/)
    provided(world)
    expect(writes).toEqual([`/run/user/1000/systemd/user/${prefix}.service`])
    expect(files[writes[0] ?? '']).toBe(text)
  })

  test('is written anew if it has another text', () => {
    const { world, files, writes } = machine({})
    const { prefix, text } = provided(world)
    const path = `/run/user/1000/systemd/user/${prefix}.service`
    for (const damaged of ['', text.slice(0, -1), text.replace('timeout', 'Timeout')]) {
      files[path] = damaged
      provided(world)
      expect(files[path]).toBe(text)
    }
    expect(writes).toHaveLength(4)
  })

  test('of other tools has another name', () => {
    const { world } = machine({})
    const other = provided(world, { ...HOST, tools: { tail: '/nix/store/coreutils/bin/tail' } })
    expect(other.prefix).not.toBe(provided(world).prefix)
    expect(other.text).toContain('sh %i "/nix/store/coreutils/bin"\n')
  })

  test.each<[string, Partial<WatchHost>, object]>([
    ['no tail', { tools: {} }, { why: 'no tail here', isDefect: true }],
    ['no runtime directory', { runtimeDirectory: undefined }, { isDefect: false }],
    ['no manager', { manager: { listening: false } }, { isDefect: false }],
  ])('%s: none', (_, changes, expected) => {
    const { world, writes } = machine({})
    expect(provideWatch(world, { ...HOST, ...changes })).toMatchObject(expected)
    expect(writes).toEqual([])
  })

  test('that can’t be written is told', () => {
    const { world } = machine({}, { isReadOnly: true })
    expect(provideWatch(world, HOST)).toEqual({
      why: expect.stringMatching(
        /^can't write \/run\/user\/1000\/systemd\/user\/mcp-client-[0-9a-f]{8}@\.service \(.*read-only.*\)$/,
      ),
      isDefect: true,
    })
  })

  test('that can’t be written is no matter if it is there', () => {
    const { world, files } = machine({})
    const template = provided(world)
    expect(provideWatch(machine(files, { isReadOnly: true }).world, HOST)).toEqual(template)
  })
})

describe('the watch of a client', () => {
  const { world } = machine({ [`/proc/${CLIENT}/stat`]: STAT })
  const template = provided(world)

  test('has its pid and its start in its name', () => {
    expect(watchOf(world, template, CLIENT)).toEqual({
      unit: `${template.prefix}42-7.service`,
      prefix: template.prefix,
    })
  })

  test.each([
    ['a client that can’t be seen', CLIENT, true],
    ['a client that has ended', 1, false],
  ])('%s has none', (_, parent, isDefect) => {
    const why = "client 42 has ended, or can't be seen"
    expect(watchOf(machine({}, { parent }).world, template, CLIENT)).toEqual({ why, isDefect })
  })

  test('binds a scope, so that it never runs without the watch', () => {
    expect(bindingTo({ unit: 'a.service' })).toEqual(['BindsTo=a.service', 'After=a.service'])
    expect(bindingTo({ why: 'no', isDefect: true })).toEqual([])
  })
})
