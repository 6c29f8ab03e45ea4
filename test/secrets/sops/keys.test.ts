import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { asLaunchError } from '../../../src/secrets/age/refusal.ts'
import { shellWords } from '../../../src/secrets/age/words.ts'
import {
  fixture,
  KEYS,
  refusalOf,
  resolveAll,
  resolveOne,
  reveal,
  tampered,
  temporaryDirectory,
  worldWith,
  write,
} from '../../fixtures/sops/fixtures.ts'

const { path: FILE } = fixture('v3.13.3/recipients.yaml')
const VALUE = 'canary-small-token'
const { main, second, postQuantum } = KEYS

function keyFile(directory: string, ...identities: string[]): string {
  return write(directory, 'key.txt', ['# a comment', '', ...identities, ''].join('\n'))
}

function keysTxt(config: string, ...identities: string[]): string {
  mkdirSync(join(config, 'sops', 'age'), { recursive: true })
  return write(join(config, 'sops', 'age'), 'keys.txt', identities.join('\n'))
}

describe('every place that SOPS looks in', () => {
  it('SOPS_AGE_KEY, several to a line or not, with comments', async () => {
    const text = `# mine\n\n${second.identity}  ${main.identity}\n`
    expect(reveal(await resolveOne(worldWith({ SOPS_AGE_KEY: text }), FILE, ['token']))).toBe(VALUE)
  })

  it('SOPS_AGE_KEY_FILE, relative to the working directory', async () => {
    const cwd = temporaryDirectory()
    keyFile(cwd, second.identity, main.identity)
    const world = worldWith({ SOPS_AGE_KEY_FILE: 'key.txt' }, { cwd })
    expect(reveal(await resolveOne(world, FILE, ['token']))).toBe(VALUE)
  })

  it('SOPS_AGE_KEY_CMD, without a shell, told the recipient', async () => {
    const directory = temporaryDirectory()
    const file = keyFile(directory, main.identity)
    const script = write(
      directory,
      'give key',
      `#!/bin/sh\n[ "$1" = '$HOME;"x' ] && [ "$SOPS_AGE_RECIPIENT" = ${main.recipient} ] && exec /bin/cat ${file}\nexit 0\n`,
      0o700,
    )
    const world = worldWith({ SOPS_AGE_KEY_CMD: `'${script}' '$HOME;'\\"x # comment` })
    expect(reveal(await resolveOne(world, FILE, ['token']))).toBe(VALUE)
  })

  it('keys.txt in XDG_CONFIG_HOME, else in ~/.config', async () => {
    const config = temporaryDirectory()
    keysTxt(config, main.identity)
    expect(reveal(await resolveOne(worldWith({ XDG_CONFIG_HOME: config }), FILE, ['token']))).toBe(VALUE)
    const home = temporaryDirectory()
    keysTxt(join(home, '.config'), main.identity)
    expect(reveal(await resolveOne(worldWith({ HOME: home }), FILE, ['token']))).toBe(VALUE)
    expect(
      refusalOf(await resolveOne(worldWith({ HOME: home, XDG_CONFIG_HOME: config.slice(0, -1) }), FILE, ['token']))
        .text,
    ).toContain('no age key found')
  })

  it('on macOS the Library too', async () => {
    const home = temporaryDirectory()
    keysTxt(join(home, 'Library', 'Application Support'), main.identity)
    const world = worldWith({ HOME: home }, { platform: 'darwin' })
    expect(reveal(await resolveOne(world, FILE, ['token']))).toBe(VALUE)
    expect(refusalOf(await resolveOne(worldWith({ HOME: home }, { platform: 'linux' }), FILE, ['token'])).code).toBe(
      'failure',
    )
  })

  it('each in turn, and the later ones only if they are needed', async () => {
    const directory = temporaryDirectory()
    const trace = join(directory, 'ran')
    const script = write(directory, 'cmd', `#!/bin/sh\n: > ${trace}\n`, 0o700)
    const config = temporaryDirectory()
    keysTxt(config, main.identity)
    const env = {
      SOPS_AGE_KEY: second.identity,
      SOPS_AGE_KEY_FILE: keyFile(directory, postQuantum.identity),
      XDG_CONFIG_HOME: config,
    }
    expect(
      reveal(
        await resolveOne(worldWith({ ...env, SOPS_AGE_KEY: main.identity, SOPS_AGE_KEY_CMD: script }), FILE, ['token']),
      ),
    ).toBe(VALUE)
    expect(existsSync(trace)).toBe(false)
    expect(reveal(await resolveOne(worldWith({ ...env, SOPS_AGE_KEY_CMD: script }), FILE, ['token']))).toBe(VALUE)
    expect(existsSync(trace)).toBe(true)
  })

  it('a place in trouble does not hide the next one', async () => {
    const config = temporaryDirectory()
    keysTxt(config, main.identity)
    const env = {
      SOPS_AGE_KEY: 'nonsense',
      SOPS_AGE_KEY_FILE: '/nonexistent/key',
      SOPS_AGE_KEY_CMD: '/nonexistent/cmd',
      XDG_CONFIG_HOME: config,
    }
    expect(reveal(await resolveOne(worldWith(env), FILE, ['token']))).toBe(VALUE)
  })

  it('post-quantum identities', async () => {
    const { path } = fixture('v3.13.3/post-quantum.yaml')
    expect(reveal(await resolveOne(worldWith({ SOPS_AGE_KEY: postQuantum.identity }), path, ['token']))).toBe(VALUE)
  })

  it('a key whose recipient is written down wrongly', async () => {
    const path = tampered('v3.13.3/second-key.yaml', (text) => text.replace(second.recipient, main.recipient))
    expect(reveal(await resolveOne(worldWith({ SOPS_AGE_KEY: second.identity }), path, ['token']))).toBe(VALUE)
  })
})

describe('no key fits', () => {
  it('none is there: the places are named', async () => {
    const refusal = refusalOf(await resolveOne(worldWith({ HOME: '/home/nobody' }), FILE, ['token']))
    expect(refusal.text).toBe(
      `can't decrypt "${FILE}": no age key found in SOPS_AGE_KEY, SOPS_AGE_KEY_FILE, SOPS_AGE_KEY_CMD, /home/nobody/.config/sops/age/keys.txt`,
    )
    expect(refusal.hint).toBe('put your age key into /home/nobody/.config/sops/age/keys.txt (chmod 600)')
  })

  it('the wrong ones are there: the recipients are named', async () => {
    const { path } = fixture('v3.13.3/second-key.yaml')
    const one = refusalOf(await resolveOne(worldWith({ SOPS_AGE_KEY: main.identity }), path, ['token']))
    expect(one.text).toBe(`can't decrypt "${path}": the age key found does not open it: it is for ${second.recipient}`)
    const two = refusalOf(
      await resolveOne(worldWith({ SOPS_AGE_KEY: `${main.identity} ${postQuantum.identity}` }), path, ['token']),
    )
    expect(two.text).toContain(': none of the 2 age keys found opens it: it is for')
  })

  it.each([
    ['malformed', (identity: string) => identity.slice(0, -1)],
    ['in small letters', (identity: string) => identity.toLowerCase()],
    ['with a wrong letter', (identity: string) => identity.replace(/.$/, (last) => (last === 'Q' ? 'P' : 'Q'))],
    ['of another kind', (identity: string) => identity.replace('KEY-1', 'KEY-X-1')],
    ['a recipient', () => main.recipient],
  ])('%s: the line is named, never its text', async (_what, spoil) => {
    const path = keyFile(temporaryDirectory(), spoil(main.identity))
    const refusal = refusalOf(await resolveOne(worldWith({ SOPS_AGE_KEY_FILE: path }), FILE, ['token']))
    expect(refusal.text).toBe(`can't use the age key in "SOPS_AGE_KEY_FILE": line 3 is not an age identity`)
    expect(refusal.code).toBe('failure')
  })

  it('a key file that others can read, that is not there, that is a directory', async () => {
    const directory = temporaryDirectory()
    const open = write(directory, 'open.txt', main.identity, 0o644)
    const refusal = refusalOf(await resolveOne(worldWith({ SOPS_AGE_KEY_FILE: open }), FILE, ['token']))
    expect(refusal.text).toBe(`refusing key file "${open}": others can read it (mode 0644)`)
    expect(refusal.hint).toBe(`chmod 600 ${open}`)
    const none = join(directory, 'none.txt')
    expect(refusalOf(await resolveOne(worldWith({ SOPS_AGE_KEY_FILE: none }), FILE, ['token'])).text).toBe(
      `can't read key file "${none}": no such file`,
    )
    mkdirSync(join(directory, 'd'), { mode: 0o700 })
    expect(
      refusalOf(await resolveOne(worldWith({ SOPS_AGE_KEY_FILE: join(directory, 'd') }), FILE, ['token'])).text,
    ).toContain('is a directory')
  })

  it('a key that is in two places counts once', async () => {
    const { path } = fixture('v3.13.3/second-key.yaml')
    const env = { SOPS_AGE_KEY: main.identity, SOPS_AGE_KEY_FILE: keyFile(temporaryDirectory(), main.identity) }
    expect(refusalOf(await resolveOne(worldWith(env), path, ['token'])).text).toContain(
      ': the age key found does not open it',
    )
  })

  it('an error that nobody foresaw says nothing of what it is about', () => {
    const error = new Error(`canary Invalid checksum in ${main.identity}`, { cause: 'canary' })
    const refusal = refusalOf(asLaunchError('/a.yaml', error))
    expect(refusal.text).toBe(`can't decrypt "/a.yaml": unexpected failure`)
  })

  it('what can only be used by sops is named', async () => {
    const directory = temporaryDirectory()
    const plugin = keyFile(directory, 'AGE-PLUGIN-YUBIKEY-1QQQQQQ')
    const refusal = refusalOf(await resolveOne(worldWith({ SOPS_AGE_KEY_FILE: plugin }), FILE, ['token']))
    expect(refusal.text).toContain(
      `no other key opens it than perhaps an age plugin's key in SOPS_AGE_KEY_FILE; that takes the program "sops"`,
    )
    const ssh = write(directory, 'ssh', '-----BEGIN OPENSSH PRIVATE KEY-----\ncanary\n')
    expect(refusalOf(await resolveOne(worldWith({ SOPS_AGE_KEY_FILE: ssh }), FILE, ['token'])).text).toContain(
      'an SSH key in SOPS_AGE_KEY_FILE',
    )
    const locked = write(directory, 'locked', 'age-encryption.org/v1\n-> scrypt canary')
    expect(refusalOf(await resolveOne(worldWith({ SOPS_AGE_KEY_FILE: locked }), FILE, ['token'])).text).toContain(
      'a key file with a passphrase',
    )
  })
})

describe('SOPS_AGE_KEY_CMD in trouble', () => {
  it.each([
    ['/bin/sh -c "echo canary; echo canary >&2; exit 3"', 'it ended with exit status 3'],
    ['/bin/sh -c "kill -9 $$"', 'it was ended by SIGKILL'],
    ['/nonexistent/command', 'there is no such program'],
    ['"open', 'it is empty or has an open quote'],
    ['  # only a comment', 'it is empty or has an open quote'],
  ])('%s', async (command, why) => {
    const refusal = refusalOf(await resolveOne(worldWith({ SOPS_AGE_KEY_CMD: command }), FILE, ['token']))
    expect(refusal.text).toBe(`can't get a key from "SOPS_AGE_KEY_CMD": ${why}`)
    expect(refusal.code).toBe('failure')
  })

  it('too slow: unavailable, and not waited for', async () => {
    const world = worldWith({ SOPS_AGE_KEY_CMD: '/bin/sleep 60' })
    const started = world.now()
    const [outcome] = await resolveAll(world, FILE, [['token']], 200)
    const refusal = refusalOf(outcome)
    expect(refusal.code).toBe('unavailable')
    expect(refusal.text).toContain('it took too long')
    expect(world.now() - started).toBeLessThan(20_000)
  })

  it('runs once for a recipient, however many files ask', async () => {
    const directory = temporaryDirectory()
    const log = join(directory, 'log')
    const file = keyFile(directory, second.identity)
    const command = write(directory, 'cmd', `#!/bin/sh\necho x >> ${log}\nexec /bin/cat ${file}\n`, 0o700)
    const world = worldWith({ SOPS_AGE_KEY_CMD: command })
    const { sopsSource } = await import('../../../src/secrets/sources/sops.ts')
    const refs = ['v3.9.0', 'v3.13.3'].map((version) => ({
      kind: 'sops' as const,
      file: fixture(`${version}/second-key.yaml`).path,
      pointer: ['token'],
      text: version,
    }))
    const outcomes = await sopsSource(world, '/').resolve(refs, world.now() + 20_000)
    expect([...outcomes.values()].map(reveal)).toEqual([VALUE, VALUE])
    expect(readFileSync(log, 'utf8')).toBe('x\n')
  })
})

describe('words of a command line, as shlex splits them', () => {
  it.each<[string, readonly string[] | undefined]>([
    ['a b', ['a', 'b']],
    ['', []],
    [' \ta\r\nb ', ['a', 'b']],
    [
      `one "two three" four "five \\"six\\"" seven#eight # nine # ten\n eleven 'twelve\\'`,
      ['one', 'two three', 'four', 'five "six"', 'seven#eight', 'eleven', 'twelve\\'],
    ],
    [`a''b "" ''`, ['ab', '', '']],
    ['a\\ b \\$x "\\$y"', ['a b', '$x', '$y']],
    ['$HOME `x` ; | &', ['$HOME', '`x`', ';', '|', '&']],
    ['a "b', undefined],
    ["a 'b", undefined],
    ['a \\', undefined],
  ])('%j', (line, words) => {
    expect(shellWords(line)).toEqual(words)
  })
})
