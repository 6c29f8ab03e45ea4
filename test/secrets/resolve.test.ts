import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { LaunchError } from '../../src/errors.ts'
import type { Ref } from '../../src/secrets/ref.ts'
import { resolveRefs } from '../../src/secrets/resolve.ts'
import { Secret } from '../../src/secrets/secret.ts'
import type { Outcome } from '../../src/secrets/source.ts'
import { openSources } from '../../src/secrets/sources/open.ts'
import type { World } from '../../src/world.ts'
import { temporaryDirectory } from '../temporary.ts'
import { testWorld } from '../world.ts'

const env = (name: string): Ref => ({ kind: 'env', name, text: `env:${name}` })
const file = (path: string): Ref => ({ kind: 'file', file: path, text: `file:${path}` })
const command = (...argv: [string, ...string[]]): Ref => ({ kind: 'command', argv, text: JSON.stringify(argv) })

async function ask(refs: Ref[], world: World = testWorld(), base = '/', limitMs = 10_000): Promise<Outcome[]> {
  const outcomes = await resolveRefs(
    await openSources(world, base, refs, { token: noToken, byProgram: false }),
    refs,
    world.now() + limitMs,
  )
  return refs.map(({ text }) => outcomes.get(text) as Outcome)
}

const noToken = () => Promise.resolve(new LaunchError('failure', { what: 'no token' }))

/** The value, or the message and the hint, as text. */
const shown = (outcome: Outcome | undefined) =>
  outcome instanceof Secret ? outcome.reveal() : `${outcome?.exitCode}: ${outcome?.shown} | ${outcome?.hint}`

async function answer(ref: Ref, world?: World, base?: string, limitMs?: number): Promise<string> {
  return shown((await ask([ref], world, base, limitMs))[0])
}

describe('env:', () => {
  const world = testWorld({ env: { SET: 'value', EMPTY: '' } })

  test("is the launcher's own variable", async () => {
    expect(await answer(env('SET'), world)).toBe('value')
    expect(await answer(env('EMPTY'), world)).toBe(
      '1: can\'t resolve "env:EMPTY": EMPTY is empty | let the client pass EMPTY on, or name another source',
    )
    expect(await answer(env('UNSET'), world)).toContain("UNSET is not set in the client's environment")
  })
})

describe('file:', () => {
  test('is the content less one newline; relative to the registry, or under ~', async () => {
    const directory = temporaryDirectory()
    const write = (name: string, content: string | Buffer, mode = 0o600) =>
      writeFileSync(join(directory, name), content, { mode })
    write('plain', 'value\n')
    write('crlf', 'value\r\n')
    write('two', 'value\n\n')
    write('lines', 'a\nb\n')
    write('empty', '')
    write('binary', Buffer.from([0xff, 0xfe, 0x00]))
    write('nul', 'a\0b')
    write('open', 'value', 0o644)
    write('big', 'x'.repeat(1024 * 1024 + 1))
    const world = testWorld({ env: { HOME: directory } })
    expect(await answer(file('plain'), world, directory)).toBe('value')
    expect(await answer(file('~/plain'), world)).toBe('value')
    expect(await answer(file(join(directory, 'plain')), world)).toBe('value')
    expect(await answer(file('crlf'), world, directory)).toBe('value')
    expect(await answer(file('two'), world, directory)).toBe('value\n')
    expect(await answer(file('lines'), world, directory)).toBe('a\nb')
    expect(await answer(file('empty'), world, directory)).toContain('is empty | write the secret into it')
    expect(await answer(file('binary'), world, directory)).toContain('is no UTF-8 text | store it encoded')
    expect(await answer(file('nul'), world, directory)).toContain('it holds a NUL byte')
    expect(await answer(file('missing'), world, directory)).toContain(`no such file ${join(directory, 'missing')}`)
    expect(await answer(file('.'), world, directory)).toContain('is a directory')
    expect(await answer(file('big'), world, directory)).toContain('larger than 1 MiB')
    expect(await answer(file('open'), world, directory)).toBe(
      `1: refusing the secret file "${join(directory, 'open')}": others can read it (mode 0644) | chmod 600 ${join(directory, 'open')}`,
    )
  })
})

/** A zombie has ended: whose child it is may take its time to notice. */
function isRunning(pid: number): boolean {
  try {
    return !/\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

describe('{ command }', () => {
  test.each([
    ['its output less one newline', command('echo', 'value'), 'value'],
    ['no shell', command('echo', '$HOME; id'), '$HOME; id'],
    ['no input', command('sh', '-c', 'cat; echo done'), 'done'],
    ['many lines', command('printf', 'a\\nb\\n'), 'a\nb'],
  ])('%s', async (_, ref, expected) => {
    expect(await answer(ref)).toBe(expected)
  })

  test.each([
    [
      'an exit status',
      command('sh', '-c', 'echo no such entry >&2; exit 3'),
      /^1: can't resolve "command sh": it ended with 3: no such entry \|/,
    ],
    ['EX_TEMPFAIL', command('sh', '-c', 'exit 75'), /^75: .*it ended with 75/],
    ['nothing', command('true'), /^1: .*it printed nothing/],
    ['no such program', command('no-such-program-here'), /^1: .*not found on the PATH \| install it/],
    ['a signal', command('sh', '-c', 'kill -9 $$'), /^1: .*it was ended by SIGKILL/],
    ['too much', command('sh', '-c', 'yes'), /^1: .*it printed too much/],
    ['no text', command('printf', '\\377\\376'), /^1: .*no UTF-8 text/],
    [
      'the value on stderr',
      command('sh', '-c', 'echo canary-value; echo canary-value >&2; exit 1'),
      /^1: .*it ended with 1: \[redacted\] \|/,
    ],
    [
      'a line of what it printed on stderr, among others',
      command('sh', '-c', 'echo "user: bob\npassword: canary-77aa"; echo "no canary-77aa for bob" >&2; exit 1'),
      /^1: .*it ended with 1: no\[redacted\] for bob \|/,
    ],
    [
      'a word of what it printed on stderr',
      command('sh', '-c', 'echo "pin 4711"; echo "bad pin: 4711" >&2; exit 1'),
      /^1: .*it ended with 1: bad pin: \[redacted\] \|/,
    ],
    [
      'what it printed on stderr, encoded',
      command('sh', '-c', 'echo canary-value; printf canary-value | base64 >&2; exit 1'),
      /^1: .*it ended with 1: \[redacted\] \|/,
    ],
    [
      'much',
      command('sh', '-c', 'yes | head -c 5000; echo oh no >&2; exit 1'),
      /^1: .*it printed so much that its stderr is left out/,
    ],
  ])('%s is a failure', async (_, ref, expected) => {
    expect(await answer(ref)).toMatch(expected)
  })

  test('that leaves something in the background is not waited for, and what it left goes on', async () => {
    const marker = join(temporaryDirectory(), 'pid')
    const ref = command('sh', '-c', `printf value; sleep 1000 & echo $! > ${marker}`)
    expect(await answer(ref, testWorld(), '/', 60_000)).toBe('value')
    const pid = Number(testWorld().files.read(marker).toString())
    expect(isRunning(pid)).toBe(true)
    process.kill(pid)
  })

  test('whose output comes late from the background is heard as long as it goes on', async () => {
    const ref = command('sh', '-c', '{ for i in 1 2 3 4; do sleep 0.1; printf $i; done; } & printf 0')
    expect(await answer(ref, testWorld(), '/', 60_000)).toBe('01234')
  })

  test('that hangs is cut off with all it started, and is unavailable', async () => {
    const marker = join(temporaryDirectory(), 'pid')
    const ref = command('sh', '-c', `sleep 1000 & echo $! > ${marker}; wait`)
    expect(await answer(ref, testWorld(), '/', 2_000)).toMatch(
      /^75: .*no answer within [12](\.\d)? s \| run it by hand/,
    )
    const pid = Number(testWorld().files.read(marker).toString())
    await expect.poll(() => isRunning(pid)).toBe(false)
  })
})

test('all references are asked together, and every failure is there', async () => {
  const outcomes = await ask(
    [env('A'), file('/nowhere'), command('false'), env('B'), env('B')],
    testWorld({ env: { B: 'b', PATH: process.env['PATH'] ?? '' } }),
  )
  expect(outcomes.map((outcome) => outcome instanceof LaunchError)).toEqual([true, true, true, false, false])
})

test('a reference that no source answers for is a failure, not a silence', async () => {
  expect(shown((await ask([{ kind: 'new', text: 'new:x' } as unknown as Ref]))[0])).toContain(
    'no source of this program answers for it',
  )
})
