import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { clear } from '../../../src/commands/secrets/clear.ts'
import { refresh } from '../../../src/commands/secrets/refresh.ts'
import { tryLock } from '../../../src/lock.ts'
import { questionLock } from '../../../src/secrets/cache/question.ts'
import { DEFAULT_TOKEN } from '../../../src/secrets/ref.ts'
import { User } from './home.ts'

async function filled(): Promise<User> {
  const user = new User()
  user.register({
    one: { A: user.script('a', 'echo canary-a') },
    two: { B: user.script('b', 'echo canary-b'), C: user.script('c', 'exit 1') },
  })
  await refresh(user.world, [], {})
  user.said()
  return user
}

const secretFiles = (user: User) =>
  readdirSync(join(user.home, '.cache/mcp-launch')).filter((name) => name.startsWith('secrets'))

describe('secrets clear', () => {
  test('removes all, with what was set aside and what killed writers left', async () => {
    const user = await filled()
    const { values } = (await user.store()).places
    for (const name of [`${values}.damaged`, `${values}.17.tmp`]) writeFileSync(name, 'old')
    await clear(user.world, [], {})
    expect(user.said()).toMatch(/^cleared (~\/\.cache\/mcp-launch\/secrets\.[a-z0-9.]+(, |\n)){4}$/)
    expect(secretFiles(user)).toEqual([])
    await clear(user.world, [], {})
    expect(user.said()).toBe('nothing to clear\n')
  })

  test('prints JSON', async () => {
    const user = await filled()
    await clear(user.world, [], { json: true })
    const { cleared } = JSON.parse(user.said()) as { cleared: string[] }
    expect(cleared.sort()).toEqual(['~/.cache/mcp-launch/secrets.enc', '~/.cache/mcp-launch/secrets.meta'])
    await clear(user.world, [], { json: true })
    expect(JSON.parse(user.said())).toEqual({ cleared: [] })
  })

  test('of one server keeps the others', async () => {
    const user = await filled()
    const { values } = (await user.store()).places
    for (const name of [`${values}.damaged`, `${values}.17.tmp`]) writeFileSync(name, 'old')
    await clear(user.world, ['two'], {})
    expect(user.said()).toBe('cleared {"command":["~/b.sh"]}, {"command":["~/c.sh"]}\n')
    expect(await user.cached()).toEqual(['canary-a'])
    expect(Object.keys((await user.store()).readMeta().refs)).toHaveLength(1)
    expect(secretFiles(user).sort()).toEqual(['secrets.enc', 'secrets.meta'])
    await clear(user.world, ['two'], {})
    expect(user.said()).toBe('nothing to clear\n')
  })

  test('of a reference needs no registry, and keeps the others', async () => {
    const user = await filled()
    user.world.files.remove(join(user.home, '.config'))
    const text = (name: string) => JSON.stringify({ command: [join(user.home, `${name}.sh`)] })
    await clear(user.world, [text('b'), 'op://no/such/one'], {})
    expect(user.said()).toBe('cleared {"command":["~/b.sh"]}\n')
    expect(await user.cached()).toEqual(['canary-a'])
    expect(Object.keys((await user.store()).readMeta().refs)).toHaveLength(2)
    await clear(user.world, [text('c'), text('b')], {})
    expect(user.said()).toBe('cleared {"command":["~/c.sh"]}\n')
  })

  test('of a reference whose state was lost goes by its key', async () => {
    const user = await filled()
    const key = [...(await (await user.store()).readValues()).keys()].find((name) => name.includes('b.sh')) as string
    user.world.files.remove((await user.store()).places.meta)
    await clear(user.world, [key], {})
    expect(await user.cached()).toEqual(['canary-a'])
  })

  test.each(['value', 'refusal'])('of a 1Password reference with a %s takes the lock of its account', async (what) => {
    const user = new User()
    const answer = what === 'value' ? 'echo canary' : `echo '"i" isn'"'"'t an item' >&2; exit 1`
    user.write('bin/op', `#!/bin/sh\n${answer}\n`, 0o700)
    user.register({ one: { A: 'op://v/i/f' } })
    const env = { ...user.world.env, PATH: `${user.home}/bin:${user.world.env['PATH']}` }
    const terminal = { ...user.world.terminal, stdinIsTerminal: true }
    await refresh({ ...user.world, env, terminal }, [], {})
    const store = await user.store()
    const lock = tryLock(user.world, questionLock(user.world, store.places, `1password by env:${DEFAULT_TOKEN}`))
    user.said()
    await clear(user.world, ['op://v/i/f'], {})
    expect(user.said()).toBe('cleared op://v/i/f\n')
    expect(lock?.isOurs()).toBe(false)
  })

  test('refuses an unknown server and clears nothing', async () => {
    const user = await filled()
    await expect(clear(user.world, ['one', 'tow'], {})).rejects.toMatchObject({ exitCode: 2 })
    expect(await user.cached()).toEqual(['canary-a', 'canary-b'])
  })

  test('where there never was a cache makes none', async () => {
    const user = new User()
    await clear(user.world, [], {})
    expect(user.said()).toBe('nothing to clear\n')
    expect(existsSync(join(user.home, '.cache'))).toBe(false)
  })

  test('needs no registry', async () => {
    const user = await filled()
    user.world.files.remove(join(user.home, '.config'))
    await clear(user.world, [], {})
    expect(secretFiles(user)).toEqual([])
  })

  /** A refresh of server "two" whose command has been started, and what lets it go on. */
  async function underWay(user: User) {
    const go = join(user.home, 'go')
    user.script('b', `touch ${go}.begun; until [ -e ${go} ]; do sleep 0.02; done; echo canary-new`)
    const refreshing = refresh(user.world, ['two'], {}).catch((error: unknown) => error)
    await expect.poll(() => existsSync(`${go}.begun`)).toBe(true)
    return { refreshing, goOn: () => writeFileSync(go, '') }
  }

  test.each([
    ['all', [], []],
    ['one', ['two'], ['canary-a']],
  ])('of %s waits for no refresh that is under way, whose answer is not kept', async (_, names, left) => {
    const user = await filled()
    const { refreshing, goOn } = await underWay(user)
    await clear(user.world, names, {})
    expect(await user.cached()).toEqual(left)
    goOn()
    expect(await refreshing).toMatchObject({
      message: "can't keep what was fetched: it took too long, or was cleared meanwhile",
      exitCode: 75,
    })
    expect(await user.cached()).toEqual(left)
    expect(secretFiles(user).filter((name) => name.endsWith('.tmp'))).toEqual([])
  })

  test('of one lets the refresh of another be', async () => {
    const user = await filled()
    const { refreshing, goOn } = await underWay(user)
    await clear(user.world, ['one'], {})
    expect(await user.cached()).toEqual(['canary-b'])
    goOn()
    expect(await refreshing).toBe(1)
    expect(await user.cached()).toEqual(['canary-new'])
  })

  test('lets the draft of whoever writes be, until that has ended', async () => {
    const user = await filled()
    const { values, lock: path } = (await user.store()).places
    const draft = `${values}.17.tmp`
    writeFileSync(draft, 'half')
    const lock = tryLock(user.world, path)
    const clearing = clear(user.world, [], {})
    expect(secretFiles(user).sort()).toEqual(['secrets.enc.17.tmp', 'secrets.lock'])
    lock?.release()
    await clearing
    expect(secretFiles(user)).toEqual([])
  })

  test('says what it cannot remove', async () => {
    const user = await filled()
    const remove = () => {
      throw Object.assign(new Error('ro'), { code: 'EROFS' })
    }
    const world = { ...user.world, files: { ...user.world.files, remove } }
    await expect(clear(world, [], {})).rejects.toMatchObject({
      message: `can't clear the cache "${user.home}/.cache/mcp-launch": read-only file system`,
      exitCode: 1,
    })
  })
})
