import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { output, startProcess } from '../secrets/cache/parallel.ts'
import { temporaryDirectory } from '../temporary.ts'
import { testWorld } from '../world.ts'

const { files } = testWorld()

function fifo(): string {
  const path = join(temporaryDirectory(), 'fifo')
  execFileSync('mkfifo', ['-m', '600', path])
  return path
}

describe('a pipe, whose other end nobody opens,', () => {
  test.each([
    ['read', ''],
    ['head', ', 10'],
    ['appendLine', ", 'x'"],
  ])('keeps %s from nothing', async (name, more) => {
    const path = fifo()
    const program = `try { world.files.${name}(words[0]${more}) } catch (error) { console.log(error.code, error.path === words[0]) }`
    const child = startProcess(temporaryDirectory(), program, path)
    const limit = setTimeout(() => child.kill('SIGKILL'), 20_000)
    expect(await output(child)).toMatch(name === 'appendLine' ? /^(ENXIO|EFTYPE) true$/ : /^EFTYPE true$/)
    clearTimeout(limit)
  })

  test('is replaced, and is a name that is taken', () => {
    const path = fifo()
    expect(() => files.createWhole(path, 'x')).toThrow(expect.objectContaining({ code: 'EEXIST' }))
    expect(() => files.create(path, 'x')).toThrow(expect.objectContaining({ code: 'EEXIST' }))
    files.writeWhole(path, 'x')
    expect(readFileSync(path, 'utf8')).toBe('x')
  })
})

test('a pipe that somebody writes into can be read by who asks for that', () => {
  const home = temporaryDirectory()
  const program = `
    const { realWorld } = await import(${JSON.stringify(join(import.meta.dirname, '../../src/real-world.ts'))})
    process.stdout.write(realWorld().files.readAny(process.argv[1]))`
  writeFileSync(join(home, 'p.mjs'), program)
  const script = `"$0" --input-type=module -e "$(cat ${home}/p.mjs)" <(sleep 0.2; echo from a pipe)`
  expect(execFileSync('bash', ['-c', script, process.execPath]).toString()).toBe('from a pipe\n')
})

test('a directory is no file, with its path', () => {
  const path = temporaryDirectory()
  expect(() => files.read(path)).toThrow(expect.objectContaining({ code: 'EISDIR', path }))
})

test('a link to a file is read, and nothing is added to where it leads', () => {
  const home = temporaryDirectory()
  writeFileSync(join(home, 'file'), 'x')
  symlinkSync(join(home, 'file'), join(home, 'link'))
  expect(files.read(join(home, 'link')).toString()).toBe('x')
  expect(() => files.appendLine(join(home, 'link'), 'y')).toThrow(expect.objectContaining({ code: 'ELOOP' }))
  expect(readFileSync(join(home, 'file'), 'utf8')).toBe('x')
})

describe('a file that is made whole', () => {
  test.each([{ durable: false }, { durable: true }])('has all, 0600, and nothing is left beside it: %o', (how) => {
    const home = temporaryDirectory()
    files.createWhole(join(home, 'f'), 'x', how)
    expect(readFileSync(join(home, 'f'), 'utf8')).toBe('x')
    expect(statSync(join(home, 'f')).mode & 0o777).toBe(0o600)
    expect(() => files.createWhole(join(home, 'f'), 'y')).toThrow(expect.objectContaining({ code: 'EEXIST' }))
    expect(readdirSync(home)).toEqual(['f'])
    expect(readFileSync(join(home, 'f'), 'utf8')).toBe('x')
  })

  test('where nothing can be made is not there', () => {
    const home = temporaryDirectory()
    mkdirSync(join(home, `f.${process.pid}.tmp`))
    expect(() => files.createWhole(join(home, 'f'), 'x')).toThrow()
    expect(() => files.writeWhole(join(home, 'f'), 'x')).toThrow()
    expect(readdirSync(home)).not.toContain('f')
  })
})

test('a line is one of its own, also after one that was cut off', () => {
  const path = join(temporaryDirectory(), 'log')
  files.appendLine(path, 'one')
  files.appendLine(path, 'two')
  writeFileSync(path, `${readFileSync(path, 'utf8')}cut o`)
  files.appendLine(path, 'three')
  chmodSync(path, 0o600)
  expect(readFileSync(path, 'utf8')).toBe('one\ntwo\ncut o\nthree\n')
})
