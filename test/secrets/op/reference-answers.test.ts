import type { ResolveAllResponse, ResolveReferenceError } from '@1password/sdk'
import { describe, expect, test } from 'vitest'
import { outcomeOf } from '../../../src/secrets/op/reference-answers.ts'
import { Secret } from '../../../src/secrets/secret.ts'
import { type Refusal, SourceError } from '../../../src/secrets/source.ts'

const REF = 'op://vault/item/field'

type Kind = ResolveReferenceError['type']

/** All that the SDK's types know: tsc fails if one more comes. */
const EVERY: Readonly<Record<Kind, [Refusal, RegExp]>> = {
  parsing: ['said-no', /takes it for no reference/],
  fieldNotFound: ['said-no', /no such field/],
  vaultNotFound: ['said-no', /no such vault, or the service account may not see it/],
  tooManyVaults: ['said-no', /several vaults/],
  itemNotFound: ['said-no', /no such item/],
  tooManyItems: ['said-no', /several items/],
  tooManyMatchingFields: ['said-no', /several fields/],
  noMatchingSections: ['said-no', /no such section/],
  incompatibleTOTPQueryParameterField: ['said-no', /no one-time password/],
  unableToGenerateTotpCode: ['said-no', /no one-time password can be made/],
  sSHKeyMetadataNotFound: ['said-no', /no whole SSH key/],
  unsupportedFileFormat: ['said-no', /file that is not text/],
  incompatibleSshKeyQueryParameterField: ['said-no', /no SSH private key/],
  unableToParsePrivateKey: ['said-no', /cannot read the private key/],
  unableToFormatPrivateKeyToOpenSsh: ['said-no', /cannot give the key/],
  other: ['unavailable', /no reason/],
}

const answer = (response: unknown) =>
  outcomeOf(REF, { individualResponses: { [REF]: response } } as unknown as ResolveAllResponse)

describe('the SDK answers for a reference', () => {
  test.each(['value', '', 'two\nlines', 'x'.repeat(100_000)])('a value', (secret) => {
    const outcome = answer({ content: { secret, itemId: 'i', vaultId: 'v' } })
    expect(outcome).toBeInstanceOf(Secret)
    expect((outcome as Secret).reveal()).toBe(secret)
  })

  test.each(Object.entries(EVERY))('%s', (type, [refusal, why]) => {
    const outcome = answer({ error: { type, message: 'canary' } })
    expect(outcome).toBeInstanceOf(SourceError)
    expect(outcome).toMatchObject({ refusal, hint: expect.stringMatching(/^[a-z].*[^.]$/) })
    expect((outcome as SourceError).message).toMatch(new RegExp(`^can't resolve "${REF}": .*${why.source}`))
    expect((outcome as SourceError).message).not.toContain('canary')
  })

  test.each([
    ['an error of a later SDK', { error: { type: 'withdrawnTomorrow' } }, /gives no reason/],
    ['an error named like what every object has', { error: { type: 'constructor' } }, /gives no reason/],
    ['nothing', undefined, /makes no sense/],
    ['neither', {}, /makes no sense/],
    ['a value that is no text', { content: { secret: 7 } }, /makes no sense/],
  ])('%s', (_, response, why) => {
    expect(answer(response)).toMatchObject({ refusal: 'unavailable', message: expect.stringMatching(why) })
  })

  test.each([undefined, null, {}, { individualResponses: null }])('no answers at all: %o', (response) => {
    expect(outcomeOf(REF, response as unknown as ResolveAllResponse)).toMatchObject({ refusal: 'unavailable' })
  })

  test('an error wins over a value', () => {
    expect(answer({ content: { secret: 'canary' }, error: { type: 'itemNotFound' } })).toMatchObject({
      refusal: 'said-no',
    })
  })
})
