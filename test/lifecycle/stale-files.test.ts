import { mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { staleFiles } from '../../src/lifecycle/stale-files.ts'
import { processStart } from '../../src/process-start.ts'
import type { World } from '../../src/world.ts'
import { temporaryDirectory } from '../temporary.ts'
import { testWorld } from '../world.ts'

/** Greater than any pid (proc(5), pid_max). */
const NOBODY = 4_194_305
const NONCE = '0123456789abcdef01234567'
const start = processStart(testWorld(), process.pid) as number

function world(home: string, overrides: Partial<World> = {}): World {
  return testWorld({
    env: { HOME: home, XDG_CACHE_HOME: join(home, 'cache'), TMPDIR: join(home, 'tmp') },
    ...overrides,
  })
}

function write(path: string): string {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  writeFileSync(path, '')
  return path
}

function makeOld(path: string): string {
  utimesSync(path, new Date(0), new Date(0))
  return path
}

test('what ended servers, clients and writers left is stale, and nothing else is', () => {
  const home = temporaryDirectory()
  const run = join(home, 'run', 'mcp-launch')
  const temporary = join(home, 'tmp', `mcp-launch-${process.getuid?.()}`)
  const cache = join(home, 'cache', 'mcp-launch')
  const directory = (path: string, mode = 0o700): string => {
    mkdirSync(path, { recursive: true, mode })
    return path
  }
  const stale = [
    dirname(write(join(run, `it.${NOBODY}.5`, 'TOKEN'))),
    directory(join(run, `a.b-c.${process.pid}.${start + 1}`)),
    directory(join(temporary, `it.${NOBODY}.5`)),
    ...['', '.new', '.lock', `.lock.${NONCE}.tmp`, `.lock.${NONCE}.claim.tmp`, `.lock.${NONCE}.tmp.12.tmp`].map((end) =>
      write(join(run, 'clients', `${NOBODY}.5${end}`)),
    ),
    write(join(run, 'clients', `${process.pid}.${start + 1}`)),
    ...['secrets.enc', 'secrets.meta', 'host.json', `${'a'.repeat(64)}.0.1.0.jsonl`, `secrets.lock.${NONCE}.tmp`].map(
      (name) => write(join(cache, `${name}.${NOBODY}.tmp`)),
    ),
    makeOld(write(join(cache, `secrets.lock.${NONCE}.tmp`))),
    makeOld(write(join(cache, `secrets.enc.${process.pid}.tmp`))),
  ]
  // In use, or somebody else's.
  directory(join(run, `it.${process.pid}.${start}`))
  directory(join(run, `it.${NOBODY}.0`))
  directory(join(run, `It.${NOBODY}.5`))
  directory(join(run, `open.${NOBODY}.5`), 0o755)
  directory(join(run, 'clients', `${NOBODY}.6`))
  write(join(run, `file.${NOBODY}.5`))
  write(join(run, 'notes.txt'))
  write(join(run, 'clients', `${process.pid}.${start}`))
  write(join(run, 'clients', `${process.pid}.${start}.new`))
  write(join(run, 'clients', `${NOBODY}.5.bak`))
  write(join(run, 'clients', 'notes.txt'))
  write(join(home, 'run', `it.${NOBODY}.5`, 'TOKEN'))
  symlinkSync(join(home, 'run', `it.${NOBODY}.5`), join(run, `link.${NOBODY}.5`))
  symlinkSync(join(run, 'notes.txt'), join(run, 'clients', `${NOBODY}.7`))
  for (const name of ['secrets.enc', 'secrets.meta', 'host.json', 'x.tmp', `x.${NOBODY}.tmp`, `host.json.${NOBODY}`])
    makeOld(write(join(cache, name)))
  write(join(cache, `secrets.enc.${process.pid}.tmp.bak`))
  write(join(cache, `secrets.meta.${process.pid}.tmp`))
  write(join(cache, `secrets.lock.${NONCE}.claim.tmp`))
  symlinkSync(join(cache, 'secrets.enc'), join(cache, `secrets.enc.${NOBODY + 1}.tmp`))
  const found = staleFiles(world(home), join(home, 'run'))
  expect(found.map(({ path }) => path).sort()).toEqual(stale.sort())
})

test('a directory that others can write in, or another user’s, is let alone', () => {
  const home = temporaryDirectory()
  const path = join(home, 'run', 'mcp-launch')
  mkdirSync(join(path, `it.${NOBODY}.5`), { recursive: true, mode: 0o700 })
  const runtimeDirectory = join(home, 'run')
  expect(staleFiles(world(home), runtimeDirectory)).toHaveLength(1)
  expect(staleFiles(world(home, { uid: (process.getuid?.() ?? 0) + 1 }), runtimeDirectory)).toEqual([])
  const open = join(home, 'open', 'mcp-launch')
  mkdirSync(join(open, `it.${NOBODY}.5`), { recursive: true, mode: 0o755 })
  expect(staleFiles(world(home), join(home, 'open'))).toEqual([])
})

test('nothing there is nothing to clean', () => {
  const home = temporaryDirectory()
  expect(staleFiles(world(home), undefined)).toEqual([])
  expect(staleFiles(world(home), join(home, 'run'))).toEqual([])
})
