import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadRegistry } from '../../src/registry/load.ts'
import type { World } from '../../src/world.ts'
import { complaints, temporaryHome } from './home.ts'

const GOOD = 'servers: { a: { command: x } }'

/** What reading a registry at a path complains of, less the path. */
const refusal = (world: World, path: string) =>
  complaints(() => loadRegistry(world, path)).map((line) => line.replaceAll(path, 'PATH'))

function failing(world: World, code: string): World {
  const fail = (): never => {
    throw Object.assign(new Error(code), { code })
  }
  return { ...world, files: { ...world.files, read: fail } }
}

describe('a registry file that', () => {
  it('is fine', () => {
    const { world, write } = temporaryHome()
    expect([...loadRegistry(world, write('r.yaml', GOOD)).servers.keys()]).toEqual(['a'])
  })

  it('is not there', () => {
    const { world, directory } = temporaryHome()
    expect(refusal(world, join(directory, 'r.yaml'))).toEqual([
      `can't read registry "PATH": no such file -> mcp-launch init`,
    ])
  })

  it('is a directory', () => {
    const { world, directory } = temporaryHome()
    const path = join(directory, 'r.yaml')
    mkdirSync(path)
    expect(refusal(world, path)).toEqual([`can't read registry "PATH": is a directory -> give the file in it`])
  })

  it('is a pipe', () => {
    const { world, directory } = temporaryHome()
    const path = join(directory, 'pipe')
    execFileSync('mkfifo', [path])
    expect(refusal(world, path)).toEqual([`can't read registry "PATH": is not a regular file`])
  })

  it('may not be read', () => {
    const { world, write } = temporaryHome()
    expect(refusal(failing(world, 'EACCES'), write('r.yaml', GOOD))).toEqual([
      `can't read registry "PATH": permission denied`,
    ])
  })

  it('has 10 MB is not even read', () => {
    const { world, write } = temporaryHome()
    expect(refusal(failing(world, 'EIO'), write('r.yaml', Buffer.alloc(10_000_000, '#')))).toEqual([
      `can't read registry "PATH": is larger than 1 MB -> is it a registry?`,
    ])
  })

  it('grew to 10 MB meanwhile', () => {
    const { world, write } = temporaryHome()
    const growing = { ...world, files: { ...world.files, read: () => Buffer.alloc(10_000_000, '#') } }
    expect(refusal(growing, write('r.yaml', GOOD))).toEqual([`can't read registry "PATH": is larger than 1 MB`])
  })

  it('others can write', () => {
    const { world, write } = temporaryHome()
    const path = write('r.yaml', GOOD)
    for (const mode of [0o620, 0o602]) {
      chmodSync(path, mode)
      expect(refusal(world, path)[0]).toMatch(
        /^refusing registry "PATH": others can write it \(mode 0\d+\) -> chmod go-w PATH$/,
      )
    }
  })

  it('belongs to somebody else', () => {
    const { world, write } = temporaryHome()
    const path = write('r.yaml', GOOD)
    const stat = (at: string) => {
      const found = world.files.stat(at)
      return found === undefined ? undefined : { ...found, uid: 4711 }
    }
    const foreign = { ...world, uid: 1234, files: { ...world.files, stat } }
    expect(refusal(foreign, path)[0]).toMatch(/^refusing registry "PATH": it belongs to user 4711/)
  })
})
