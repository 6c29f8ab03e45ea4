import { armor, Encrypter } from 'age-encryption'
import { describe, expect, it } from 'vitest'
import type { Ref } from '../../../src/secrets/ref.ts'
import type { Outcome } from '../../../src/secrets/source.ts'
import { ageSource } from '../../../src/secrets/sources/age.ts'
import type { World } from '../../../src/world.ts'
import {
  KEYS,
  refusalOf,
  reveal,
  temporaryDirectory,
  withMainKey,
  worldWith,
  write,
} from '../../fixtures/sops/fixtures.ts'

async function encrypted(content: string | Uint8Array, ...recipients: string[]): Promise<Uint8Array> {
  const encrypter = new Encrypter()
  for (const recipient of recipients) encrypter.addRecipient(recipient)
  return await encrypter.encrypt(content)
}

async function resolveFile(world: World, file: string, baseDirectory = '/'): Promise<Outcome> {
  const outcomes = await ageSource(world, baseDirectory).resolve(
    [{ kind: 'age', file, text: 'ref' }],
    world.now() + 20_000,
  )
  const outcome = outcomes.get('ref')
  if (outcome === undefined) throw new Error('no outcome')
  return outcome
}

describe('age files', () => {
  it.each([
    ['canary', 'canary'],
    ['canary\n', 'canary'],
    ['canary\n\n', 'canary\n'],
    ['\n  canary \r\n', '\n  canary '],
    ['zażółć 🔑', 'zażółć 🔑'],
  ])('%j is %j', async (content, value) => {
    const directory = temporaryDirectory()
    const binary = await encrypted(content, KEYS.second.recipient, KEYS.main.recipient)
    expect(reveal(await resolveFile(withMainKey, write(directory, 'a.age', binary)))).toBe(value)
    expect(reveal(await resolveFile(withMainKey, write(directory, 'b.age', armor.encode(binary))))).toBe(value)
  })

  it.each(['', '\n'])('with %j in it is refused', async (content) => {
    const file = write(temporaryDirectory(), 'a.age', await encrypted(content, KEYS.main.recipient))
    expect(refusalOf(await resolveFile(withMainKey, file)).text).toContain(': what it holds is empty')
  })

  it('larger than one chunk, post-quantum, with the second key tried', async () => {
    const directory = temporaryDirectory()
    const long = 'canary'.repeat(50_000)
    write(directory, 'a.age', await encrypted(long, KEYS.postQuantum.recipient))
    const world = worldWith({ SOPS_AGE_KEY: `${KEYS.main.identity} ${KEYS.postQuantum.identity}`, HOME: directory })
    expect(reveal(await resolveFile(world, 'a.age', directory))).toBe(long)
    expect(reveal(await resolveFile(world, '~/a.age'))).toBe(long)
  })

  it('answers for age references alone', async () => {
    const file = write(temporaryDirectory(), 'a.age', await encrypted('canary', KEYS.main.recipient))
    const refs: Ref[] = [
      { kind: 'age', file, text: 'one' },
      { kind: 'file', file, text: 'two' },
      { kind: 'age', file, text: 'three' },
    ]
    const outcomes = await ageSource(withMainKey, '/').resolve(refs, withMainKey.now() + 20_000)
    expect([...outcomes].map(([text, outcome]) => [text, reveal(outcome)])).toEqual([
      ['one', 'canary'],
      ['three', 'canary'],
    ])
  })
})

describe('age files that give nothing', () => {
  it('not there, not age, empty, a directory', async () => {
    const directory = temporaryDirectory()
    expect(refusalOf(await resolveFile(withMainKey, `${directory}/no`)).text).toBe(
      `can't decrypt "${directory}/no": no such file`,
    )
    for (const content of ['', 'canary', '-----BEGIN AGE ENCRYPTED FILE-----\ncanary\n']) {
      expect(refusalOf(await resolveFile(withMainKey, write(directory, 'x', content))).text).toContain(
        ': it is not an age file',
      )
    }
    expect(refusalOf(await resolveFile(withMainKey, directory)).text).toContain(': is a directory')
  })

  it('for somebody else', async () => {
    const file = write(temporaryDirectory(), 'a.age', await encrypted('canary', KEYS.second.recipient))
    expect(refusalOf(await resolveFile(withMainKey, file)).text).toBe(
      `can't decrypt "${file}": the age key found does not open it`,
    )
    const none = refusalOf(await resolveFile(worldWith({}), file))
    expect(none.text).toContain('no age key found in SOPS_AGE_KEY,')
  })

  it('any byte changed, or cut off anywhere', async () => {
    const directory = temporaryDirectory()
    const file = await encrypted('canary-secret', KEYS.main.recipient)
    for (let at = 0; at < file.length; at += 1) {
      const changed = Uint8Array.from(file)
      changed[at] = (changed[at] ?? 0) ^ 1
      refusalOf(await resolveFile(withMainKey, write(directory, 'a.age', changed)))
      refusalOf(await resolveFile(withMainKey, write(directory, 'b.age', file.subarray(0, at))))
    }
    const last = Uint8Array.from(file)
    last[file.length - 1] = (last[file.length - 1] ?? 0) ^ 1
    expect(refusalOf(await resolveFile(withMainKey, write(directory, 'c.age', last))).text).toContain(
      ': it was changed or cut off',
    )
  })

  it('with a passphrase, for SSH keys, for a plugin', async () => {
    const directory = temporaryDirectory()
    const encrypter = new Encrypter()
    encrypter.setPassphrase('canary')
    encrypter.setScryptWorkFactor(1)
    const locked = write(directory, 'locked', await encrypter.encrypt('canary'))
    expect(refusalOf(await resolveFile(withMainKey, locked)).text).toContain(
      ': it can only be opened with a passphrase',
    )
    const ssh = write(directory, 'ssh', 'age-encryption.org/v1\n-> ssh-ed25519 a b\nc\n--- d\n')
    expect(refusalOf(await resolveFile(withMainKey, ssh)).text).toContain(': it can only be opened with an SSH key')
    const plugin = write(directory, 'plugin', 'age-encryption.org/v1\n-> piv-p256 a b\nc\n--- d\n')
    expect(refusalOf(await resolveFile(withMainKey, plugin)).text).toContain('the age plugin for piv-p256')
  })

  it('no text', async () => {
    const file = write(temporaryDirectory(), 'a.age', await encrypted(Uint8Array.of(0xff, 0xfe), KEYS.main.recipient))
    expect(refusalOf(await resolveFile(withMainKey, file)).text).toContain(': what it holds is not text (UTF-8)')
  })
})
