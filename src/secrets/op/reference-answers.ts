import type { ResolveAllResponse, ResolveReferenceError } from '@1password/sdk'
import { Secret } from '../secret.ts'
import { type Outcome, type Refusal, SourceError } from '../source.ts'

interface Answer {
  readonly refusal: Refusal
  readonly why: string
  readonly hint: string
}

const saidNo = (why: string, hint: string): Answer => ({ refusal: 'said-no', why, hint })

/** 1Password doesn't tell a vault that the service account may not see from one that isn't there. */
const ANSWERS: Readonly<Record<ResolveReferenceError['type'], Answer>> = {
  parsing: saidNo('1password takes it for no reference', 'write it as op://vault/item/field'),
  vaultNotFound: saidNo(
    'there is no such vault, or the service account may not see it',
    "check the vault's name, and that the service account has read access to it",
  ),
  tooManyVaults: saidNo('several vaults have that name', "use the vault's ID in place of its name"),
  itemNotFound: saidNo('there is no such item in the vault', "check the item's name in 1password"),
  tooManyItems: saidNo('several items have that name', "use the item's ID in place of its name"),
  fieldNotFound: saidNo('the item has no such field', "check the field's name in 1password"),
  tooManyMatchingFields: saidNo(
    'several fields of the item have that name',
    "name the section too (op://vault/item/section/field), or use the field's ID",
  ),
  noMatchingSections: saidNo('the item has no such section', "check the section's name in 1password"),
  incompatibleTOTPQueryParameterField: saidNo(
    'the field is no one-time password',
    'leave out ?attribute=…, or name the field that holds the one-time password',
  ),
  unableToGenerateTotpCode: saidNo(
    'no one-time password can be made from the field',
    'set the one-time password up anew in 1password',
  ),
  sSHKeyMetadataNotFound: saidNo('the item is no whole SSH key', 'import the SSH key into 1password anew'),
  unsupportedFileFormat: saidNo('it is a file that is not text', 'store the value in a field, encoded (base64)'),
  incompatibleSshKeyQueryParameterField: saidNo(
    'the field is no SSH private key',
    'leave out ?ssh-format=…, or name the field "private key"',
  ),
  unableToParsePrivateKey: saidNo('1password cannot read the private key', 'import the SSH key into 1password anew'),
  unableToFormatPrivateKeyToOpenSsh: saidNo(
    "1password cannot give the key in OpenSSH's format",
    'leave out ?ssh-format=openssh',
  ),
  // It says nothing about the secret, and a "no" would purge a good value.
  other: {
    refusal: 'unavailable',
    why: '1password gives no reason',
    hint: 'try again: mcp-launch secrets refresh',
  },
}

const NO_ANSWER: Answer = {
  refusal: 'unavailable',
  why: "1password's answer leaves it out or makes no sense",
  hint: 'try again: mcp-launch secrets refresh',
}

/** What the SDK answers for one reference. The messages are this program's own words: the SDK's aren't quoted. */
export function outcomeOf(text: string, response: ResolveAllResponse): Outcome {
  const { content, error } = response?.individualResponses?.[text] ?? {}
  if (error === undefined && typeof content?.secret === 'string') return new Secret(content.secret)
  const { refusal, why, hint } = (error && answerTo(error)) ?? NO_ANSWER
  return new SourceError(refusal, { what: "can't resolve", subject: text, why, hint })
}

/** An SDK of another version may know more of them than its types say. */
function answerTo({ type }: ResolveReferenceError): Answer | undefined {
  return Object.hasOwn(ANSWERS, type) ? ANSWERS[type] : ANSWERS.other
}
