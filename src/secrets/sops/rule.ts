import { Refusal } from '../age/refusal.ts'
import { NeedsSopsProgram } from './hand-over.ts'
import { type MapOf, type Scalar, textAt } from './tree.ts'

/** Whether the leaf at a path (keys only, no list indices) is one that SOPS encrypts. */
export type Rule = (path: readonly string[]) => boolean

const DEFAULT_UNENCRYPTED_SUFFIX = '_unencrypted'
const KINDS = [
  'unencrypted_suffix',
  'encrypted_suffix',
  'unencrypted_regex',
  'encrypted_regex',
  'unencrypted_comment_regex',
  'encrypted_comment_regex',
] as const

/** A file has one rule or, if none is written down, SOPS's own suffix. An empty rule is none. */
export function ruleOf(metadata: MapOf<Scalar>): Rule {
  const rules = KINDS.map((kind) => ({ kind, text: textAt(metadata, kind) ?? '' })).filter(({ text }) => text !== '')
  if (rules.length > 1) {
    throw new Refusal(
      `it has both ${rules.map(({ kind }) => kind).join(' and ')}, which SOPS refuses too`,
      'keep one of them',
    )
  }
  const [{ kind, text } = { kind: 'unencrypted_suffix' as const, text: DEFAULT_UNENCRYPTED_SUFFIX }] = rules
  switch (kind) {
    case 'unencrypted_suffix':
      return (path) => !path.some((key) => key.endsWith(text))
    case 'encrypted_suffix':
      return (path) => path.some((key) => key.endsWith(text))
    case 'unencrypted_regex':
      return not(matches(text))
    case 'encrypted_regex':
      return matches(text)
    default:
      throw new NeedsSopsProgram(`it has the rule ${kind}`)
  }
}

function not(rule: Rule): Rule {
  return (path) => !rule(path)
}

function matches(pattern: string): Rule {
  const regex = sameInJavaScript(pattern)
  return (path) => path.some((key) => regex.test(key))
}

const LITERAL = String.raw`[\w \-/:@%,;=!~&'"<>#]`
const ESCAPE = String.raw`\\(?:[dwDW]|[^\w\s])`
const CLASS = String.raw`\[\^?(?:${LITERAL}|[.$*+?|(){}^]|${ESCAPE})+\]`
const SAFE = new RegExp(
  String.raw`^(?:\(\?i\))?(?:${LITERAL}|[.^$|]|\\b|${ESCAPE}|${CLASS}|\((?:\?:|(?!\?))|\)(?![*+?{])|[*+?]|\{\d+(?:,\d*)?\})*$`,
)

/**
 * SOPS's patterns are Go's RE2. Those made of what means the same in both are matched here; all others are left to
 * SOPS. A group that is repeated is one of the others: such a pattern can keep a backtracking matcher busy for ever,
 * and the metadata of a file are covered by nothing.
 */
function sameInJavaScript(pattern: string): RegExp {
  if (pattern.length <= 500 && SAFE.test(pattern)) {
    const insensitive = pattern.startsWith('(?i)')
    try {
      return new RegExp(insensitive ? pattern.slice(4) : pattern, insensitive ? 'i' : '')
    } catch {
      // Left to SOPS, like the ones that can't be read.
    }
  }
  throw new NeedsSopsProgram('its rule is a pattern that only Go reads')
}
