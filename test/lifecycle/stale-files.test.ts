import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { copyArguments } from '../../src/launch/log.ts'
import { staleFiles } from '../../src/lifecycle/stale-files.ts'
import { processStart } from '../../src/process-start.ts'
import type { ServerEntry } from '../../src/registry/entry.ts'
import type { World } from '../../src/world.ts'
import { output, startProcess } from '../secrets/cache/parallel.ts'
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
    ...['', '.12.tmp', '.lock', `.lock.${NONCE}.claim.tmp`, '.lock.12.tmp'].map((end) =>
      write(join(run, 'clients', `${NOBODY}.5${end}`)),
    ),
    write(join(run, 'clients', `${process.pid}.${start + 1}`)),
    write(join(cache, `secrets.enc.${NOBODY}.tmp`)),
    makeOld(write(join(cache, `secrets.lock.${NONCE}.claim.tmp`))),
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
  write(join(run, 'clients', `${process.pid}.${start}.${NOBODY}.tmp`))
  write(join(run, 'clients', `${NOBODY}.5.bak`))
  write(join(run, 'clients', 'notes.txt'))
  write(join(home, 'run', `it.${NOBODY}.5`, 'TOKEN'))
  symlinkSync(join(home, 'run', `it.${NOBODY}.5`), join(run, `link.${NOBODY}.5`))
  symlinkSync(join(run, 'notes.txt'), join(run, 'clients', `${NOBODY}.7`))
  for (const name of [
    'secrets.enc',
    'secrets.meta',
    'host.json',
    'x.tmp',
    `x.${NOBODY}.tmp`,
    '.tmp',
    `.${NOBODY}.tmp`,
    `host.json.${NOBODY}`,
  ])
    makeOld(write(join(cache, name)))
  write(join(cache, `secrets.enc.${process.pid}.tmp.bak`))
  write(join(cache, `secrets.meta.${process.pid}.tmp`))
  write(join(cache, `fetch.lock.${NONCE}.claim.tmp`))
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

/**
 * Writers that are killed when all but the last step is done: before a draft gets its name, or with a claim in hand.
 * Each is given the home and where a watch keeps its marker.
 */
const KILLED: Readonly<Record<string, string>> = {
  'machine.key.PID.tmp': `
    const { openStore } = await load('secrets/cache/store.ts')
    die()
    await openStore(world, () => {})`,
  'secrets.enc.PID.tmp': `
    const { openStore } = await load('secrets/cache/store.ts')
    const store = await openStore(world, () => {})
    die()
    await store.write(new Map(), store.readMeta(), { isOurs: () => true })`,
  'secrets.lock.PID.tmp': `
    const { tryLock } = await load('lock.ts')
    const { places } = await load('secrets/cache/places.ts')
    world.files.makeDirectory(places(world).directory)
    die()
    tryLock(world, places(world).lock)`,
  'fetch-QUESTION.lock.NONCE.claim.tmp': `
    const { tryLock } = await load('lock.ts')
    const { places } = await load('secrets/cache/places.ts')
    const { questionLock } = await load('secrets/cache/question.ts')
    world.files.makeDirectory(places(world).directory)
    const path = questionLock(world, places(world), 'op')
    tryLock(world, path, 0)
    die()
    tryLock(world, path)`,
  'host.json.PID.tmp': `
    const { TrialMemory } = await load('launch/trial-memory.ts')
    const memory = new TrialMemory(world, { anew: false })
    memory.keep('key', 'result')
    die()
    memory.save()`,
  'HASH.VERSION.jsonl.PID.tmp': `
    const { writeCompiled } = await load('registry/compiled.ts')
    die()
    writeCompiled(world, 'a'.repeat(64), { servers: new Map(), settings: {} })`,
  'CLIENT.START.PID.tmp': `
    world.files.makeDirectory(words[0])
    die()
    world.files.writeWhole(words[0] + '/${NOBODY}.5', '1')`,
  'CLIENT.START.lock.PID.tmp': `
    const { tryLock } = await load('lock.ts')
    world.files.makeDirectory(words[0])
    die()
    tryLock(world, words[0] + '/${NOBODY}.5.lock')`,
}

/** From now on this process is killed where it would do the last step. */
const DIE = `
  const die = () => {
    const fs = process.getBuiltinModule('node:fs')
    const killed = () => process.kill(process.pid, 'SIGKILL')
    Object.assign(fs, { renameSync: killed, linkSync: new Proxy(fs.linkSync, { apply: (link, self, [from, to]) => {
      if (fs.existsSync(to)) return link(from, to)
      killed()
    } }) })
    const remove = fs.rmSync
    fs.rmSync = (path, options) => /fetch-.*[.]lock$/.test(path) ? killed() : remove(path, options)
    process.getBuiltinModule('node:module').syncBuiltinESMExports()
  }
`

test.each(Object.entries(KILLED))('what a killed writer leaves is found: %s', async (name, program) => {
  const home = temporaryDirectory()
  const clients = join(home, 'run', 'mcp-launch', 'clients')
  expect(await output(startProcess(home, DIE + program, clients))).toBe('SIGKILL')
  const later = testWorld({ env: { HOME: home }, now: () => Date.now() + 3_600_000 })
  const found = staleFiles(later, join(home, 'run')).map(({ path }) => basename(path))
  const pattern = name
    .replaceAll('.', '[.]')
    .replace('PID', String.raw`\d+`)
    .replace('NONCE', '[0-9a-f]{24}')
    .replace('QUESTION', '[0-9a-f]{16}')
    .replace('CLIENT[.]START', `${NOBODY}[.]5`)
    .replace('HASH[.]VERSION', 'a{64}[.].*')
  expect(found).toEqual([expect.stringMatching(`^${pattern}$`)])
  expect(leftIn(home).filter((file) => file.endsWith('.tmp'))).toEqual(found)
})

function leftIn(home: string): string[] {
  return readdirSync(home, { recursive: true, encoding: 'utf8' }).map((path) => basename(path))
}

test('the pipes of a log whose server never started are found', () => {
  const home = temporaryDirectory()
  const server = { name: 'it', logs: 'file' } as ServerEntry
  const pipesOf = (pid: number) => copyArguments(world(home, { pid }), server).slice(-3, -2)
  const pipes = [...pipesOf(NOBODY), ...pipesOf(process.pid)]
  mkdirSync(dirname(pipes[0] as string), { recursive: true })
  execFileSync('mkfifo', pipes)
  write(join(dirname(pipes[0] as string), `it.log.${NOBODY}.fifo.old`))
  const found = staleFiles(world(home), undefined).map(({ path }) => path)
  expect(found.sort()).toEqual(pipesOf(NOBODY).sort())
})
