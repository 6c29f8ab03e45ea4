import { existsSync, readdirSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadRegistry } from '../../src/registry/load.ts'
import { lookUp } from '../../src/registry/lookup.ts'
import type { World } from '../../src/world.ts'
import { complaintsOf, type Home, temporaryHome } from './home.ts'

const REGISTRY = `
defaults: { limits: { memoryMax: 1G } }
cache: { ttl: 1h }
servers:
  github: { command: github-mcp-server, args: ["é", '{"name":"exa",'], secrets: { T: op://v/i/f } }
  exa: { command: npx, env: { A: "line\\nbreak" }, secrets: { B: { command: [x] } } }
  off: { command: x, enabled: false }
`

const compiledIn = ({ directory }: Home) => join(directory, '.cache/mcp-launch/registry')

function compiledFile(home: Home): string {
  const [name] = readdirSync(compiledIn(home))
  return join(compiledIn(home), name as string)
}

/** A world that tells whether the compiled form was made anew. */
function watched(world: World): { world: World; writes: string[] } {
  const writes: string[] = []
  const writeWhole: World['files']['writeWhole'] = (path, content) => {
    writes.push(path)
    world.files.writeWhole(path, content)
  }
  return { world: { ...world, files: { ...world.files, writeWhole } }, writes }
}

describe('lookUp', () => {
  it('gives the same from the file and from its compiled form', async () => {
    const { world: real, write } = temporaryHome()
    const { world, writes } = watched(real)
    const path = write('r.yaml', REGISTRY)
    const { servers, settings } = loadRegistry(world, path)
    for (const name of ['github', 'exa', 'github', 'exa']) {
      expect(await lookUp(world, path, name)).toEqual({ registryPath: path, server: servers.get(name), settings })
    }
    expect(writes).toHaveLength(1)
  })

  it('reads the registry again once it has changed', async () => {
    const { world: real, write } = temporaryHome()
    const { world, writes } = watched(real)
    const path = write('r.yaml', REGISTRY)
    await lookUp(world, path, 'exa')
    write('r.yaml', REGISTRY.replace('command: npx', 'command: bunx'))
    expect((await lookUp(world, path, 'exa')).server.command).toBe('bunx')
    write('r.yaml', REGISTRY)
    expect((await lookUp(world, path, 'exa')).server.command).toBe('npx')
    expect(writes).toHaveLength(2)
  })

  it('knows only the servers of the registry', async () => {
    const { world, write } = temporaryHome()
    const path = write('r.yaml', REGISTRY)
    for (let time = 0; time < 2; time++) {
      expect(await complaintsOf(lookUp(world, path, 'gihtub'))).toEqual([
        `unknown server "gihtub": it is not in ${path} -> did you mean "github"?`,
      ])
      expect(await complaintsOf(lookUp(world, path, '"x'))).toEqual([
        `unknown server ""x": it is not in ${path} -> choose one of exa, github, off`,
      ])
      await lookUp(world, path, 'github')
    }
  })

  it('may be a slip of a command', async () => {
    const { world, write } = temporaryHome()
    const path = write('r.yaml', 'servers:\n  github: { command: x }\n')
    const [complaint] = await complaintsOf(lookUp(world, path, 'lst', ['list', 'init']))
    expect(complaint).toContain('-> did you mean "list"?')
  })

  it('lists ten names at most', async () => {
    const { world, write } = temporaryHome()
    const servers = Array.from({ length: 12 }, (_, i) => `  s${String(i).padStart(2, '0')}: { command: x }`)
    const path = write('r.yaml', `servers:\n${servers.join('\n')}`)
    expect((await complaintsOf(lookUp(world, path, 'wholly-other')))[0]).toMatch(
      / -> choose one of s00, s01, s02, s03, s04, s05, s06, s07, s08, s09 and 2 more$/,
    )
  })

  it('does not launch what is switched off, compiled or not', async () => {
    const { world, write } = temporaryHome()
    const path = write('r.yaml', REGISTRY)
    for (let time = 0; time < 2; time++) {
      expect(await complaintsOf(lookUp(world, path, 'off'))).toEqual([
        `can't launch server "off": it has "enabled: false" in ${path} -> take that line out to launch it`,
      ])
    }
  })

  it('keeps nothing of a registry with mistakes', async () => {
    const home = temporaryHome()
    const path = home.write('r.yaml', 'servers: { a: { comand: x } }')
    for (let time = 0; time < 2; time++) {
      expect(await complaintsOf(lookUp(home.world, path, 'a'))).toEqual([
        `invalid registry "${path}:1:17": unknown key "comand" -> did you mean "command"?`,
      ])
    }
    expect(existsSync(compiledIn(home))).toBe(false)
  })
})

describe('the compiled form', () => {
  it('is private', async () => {
    const home = temporaryHome()
    await lookUp(home.world, home.write('r.yaml', REGISTRY), 'exa')
    expect(home.world.files.stat(compiledIn(home))?.mode).toBe(0o700)
    expect(home.world.files.stat(compiledFile(home))?.mode).toBe(0o600)
  })

  it('is found out and healed, whichever byte of it is wrong', async () => {
    const home = temporaryHome()
    const { world, writes } = watched(home.world)
    const path = home.write('r.yaml', REGISTRY)
    const expected = await lookUp(world, path, 'exa')
    const file = compiledFile(home)
    const good = readFileSync(file)
    const start = good.lastIndexOf('\n', good.indexOf(' {"name":"exa"'))
    const end = good.indexOf('\n', start + 1)
    for (let at = start; at <= end; at++) {
      const bad = Buffer.from(good)
      bad[at] = (good[at] as number) ^ 1
      writeFileSync(file, bad)
      expect(await lookUp(world, path, 'exa')).toEqual(expected)
      expect(readFileSync(file)).toEqual(good)
    }
    expect(writes).toHaveLength(1 + end - start + 1)
  })

  it('does no harm, whatever stands in it', async () => {
    const home = temporaryHome()
    const path = home.write('r.yaml', REGISTRY)
    const expected = await lookUp(home.world, path, 'exa')
    const file = compiledFile(home)
    const good = readFileSync(file)
    for (let at = 0; at < good.length; at += 7) {
      for (const wrong of [0x0a, 0x20, 0x22, 0x7b]) {
        const bad = Buffer.from(good)
        bad[at] = wrong
        writeFileSync(file, bad)
        expect(await lookUp(home.world, path, 'exa')).toEqual(expected)
      }
    }
  })

  it('is found out and healed, wherever it was cut off', async () => {
    const home = temporaryHome()
    const path = home.write('r.yaml', REGISTRY)
    const expected = await lookUp(home.world, path, 'exa')
    const file = compiledFile(home)
    const good = readFileSync(file)
    const end = good.indexOf('\n', good.indexOf(' {"name":"exa"'))
    for (let length = good.lastIndexOf('\n', end - 1); length <= end; length++) {
      writeFileSync(file, good.subarray(0, length))
      expect(await lookUp(home.world, path, 'exa')).toEqual(expected)
    }
  })

  it('is not taken from another registry', async () => {
    const home = temporaryHome()
    await lookUp(home.world, home.write('one.yaml', REGISTRY.replace('npx', 'evil')), 'exa')
    const foreign = readFileSync(compiledFile(home))
    rmSync(compiledFile(home))
    const path = home.write('two.yaml', REGISTRY)
    await lookUp(home.world, path, 'exa')
    writeFileSync(compiledFile(home), foreign)
    expect((await lookUp(home.world, path, 'exa')).server.command).toBe('npx')
  })

  it('is not followed to another file, nor is that written', async () => {
    const home = temporaryHome()
    const path = home.write('r.yaml', REGISTRY)
    await lookUp(home.world, path, 'exa')
    const file = compiledFile(home)
    const other = home.write('other', 'precious')
    rmSync(file)
    symlinkSync(other, file)
    expect((await lookUp(home.world, path, 'exa')).server.command).toBe('npx')
    expect(readFileSync(other, 'utf8')).toBe('precious')
    expect(readFileSync(file, 'utf8')).toContain('"npx"')
  })

  it.each([
    ['is somebody else’s', { uid: 4711 }],
    ['can be written by others', { mode: 0o666 }],
  ])('is made anew if it %s', async (_, odd) => {
    const home = temporaryHome()
    const path = home.write('r.yaml', REGISTRY)
    await lookUp(home.world, path, 'exa')
    for (const place of [compiledFile(home), compiledIn(home)]) {
      const stat = (at: string) => {
        const found = home.world.files.stat(at)
        return found !== undefined && at === place ? { ...found, ...odd } : found
      }
      const { world, writes } = watched({ ...home.world, files: { ...home.world.files, stat } })
      await lookUp(world, path, 'exa')
      expect(writes).toHaveLength(1)
    }
  })

  it('is done without where it can not be written', async () => {
    const home = temporaryHome()
    const path = home.write('r.yaml', REGISTRY)
    home.write('.cache', 'a file, not a directory')
    expect((await lookUp(home.world, path, 'exa')).server.command).toBe('npx')
    const homeless = { ...home.world, env: {} }
    expect((await lookUp(homeless, path, 'exa')).server.command).toBe('npx')
  })

  it('is kept for the last eight registries; what has another name stays', async () => {
    const home = temporaryHome()
    const stranger = home.write('.cache/mcp-launch/registry/notes.txt', 'mine')
    const abandoned = home.write(`.cache/mcp-launch/registry/${'0'.repeat(64)}.0-9.9.9.jsonl.123.tmp`, '')
    utimesSync(abandoned, 1, 1)
    let newest = ''
    for (let version = 0; version < 12; version++) {
      const before = new Set(readdirSync(compiledIn(home)))
      await lookUp(home.world, home.write('r.yaml', `# ${version}\n${REGISTRY}`), 'exa')
      newest = join(compiledIn(home), readdirSync(compiledIn(home)).find((name) => !before.has(name)) as string)
      utimesSync(newest, 1_000 + version, 1_000 + version)
    }
    expect(readdirSync(compiledIn(home))).toHaveLength(9)
    expect([stranger, newest, abandoned].map((path) => existsSync(path))).toEqual([true, true, false])
  })
})
