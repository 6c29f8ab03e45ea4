import { type Document, parseDocument, type YAMLError } from 'yaml'
import type { Problem } from './problem.ts'

/**
 * The text's syntax tree; undefined once something was reported. Duplicate keys and aliases are left to `readTree`.
 * JSON is read as the YAML that it is (tabs and trailing commas included), and may have the comments that editors allow.
 */
export function readDocument(text: string, isJson: boolean, report: (problem: Problem) => void): Document | undefined {
  const document = parse(isJson ? withoutComments(text) : text)
  if (document === undefined) {
    report({ offset: undefined, why: 'is nested too deeply' })
    return undefined
  }
  const mistakes = [...document.errors, ...document.warnings]
  for (const mistake of firstOfEachLine(text, mistakes)) {
    report({ offset: mistake.pos[0], ...SYNTAX[mistake.code] })
  }
  return mistakes.length === 0 ? document : undefined
}

function parse(text: string): Document | undefined {
  try {
    return parseDocument(text, {
      prettyErrors: false,
      stringKeys: true,
      uniqueKeys: false,
      version: '1.2',
      logLevel: 'error',
    })
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

/** Strings and comments; what is not closed ends with the line or the file, so that the search stays linear. */
const JSON_TOKENS = /"[^"\\\n]*(?:\\.[^"\\\n]*)*"?|\/\/[^\n]*|\/\*[\s\S]*?(?:\*\/|$)/g

/** Comments as blanks, so that every position stays. */
function withoutComments(json: string): string {
  return json.replace(JSON_TOKENS, (match) => (match.startsWith('"') ? match : match.replace(/[^\n]/g, ' ')))
}

/** The parser goes on after a mistake; what it then says about the same line is noise. */
function firstOfEachLine(text: string, mistakes: readonly YAMLError[]): YAMLError[] {
  const sorted = [...mistakes].sort((a, b) => a.pos[0] - b.pos[0])
  return sorted.filter((mistake, index) => {
    const before = sorted[index - 1]
    return before === undefined || text.slice(before.pos[0], mistake.pos[0]).includes('\n')
  })
}

/** The parser's own messages quote the file, which may hold a secret. */
const SYNTAX: Readonly<Record<YAMLError['code'], Omit<Problem, 'offset'>>> = {
  ALIAS_PROPS: { why: 'an alias can have neither an anchor nor a tag' },
  BAD_ALIAS: { why: 'this alias is not well-formed' },
  BAD_COLLECTION_TYPE: { why: 'this tag does not fit what follows' },
  BAD_DIRECTIVE: { why: 'this directive (%) is not known' },
  BAD_DQ_ESCAPE: { why: 'unknown escape in double quotes', hint: 'write \\\\ for a backslash, or use single quotes' },
  BAD_INDENT: { why: 'the indentation is not right here' },
  BAD_PROP_ORDER: { why: 'an anchor or tag stands in the wrong place' },
  BAD_SCALAR_START: { why: 'a text can not begin with this character', hint: 'put the text in quotes' },
  BLOCK_AS_IMPLICIT_KEY: { why: 'a second ": " on one line', hint: 'put the value in quotes' },
  BLOCK_IN_FLOW: { why: 'block style inside [ ] or { }' },
  DUPLICATE_KEY: { why: 'a key is there twice' },
  IMPOSSIBLE: { why: 'this is no YAML' },
  KEY_OVER_1024_CHARS: { why: 'a key is longer than 1024 characters' },
  MISSING_CHAR: { why: 'a quote, bracket, comma or colon is missing' },
  MULTILINE_IMPLICIT_KEY: { why: 'a key goes over more than one line' },
  MULTIPLE_ANCHORS: { why: 'more than one anchor' },
  MULTIPLE_DOCS: { why: 'a second document begins here (---)', hint: 'a registry is one document' },
  MULTIPLE_TAGS: { why: 'more than one tag' },
  NON_STRING_KEY: { why: 'a key is no text' },
  RESOURCE_EXHAUSTION: { why: 'is nested too deeply' },
  TAB_AS_INDENT: { why: 'a tab as indentation', hint: 'use spaces' },
  TAG_RESOLVE_FAILED: { why: 'a tag (!) can not be used here', hint: 'put the text in quotes if it begins with !' },
  UNEXPECTED_TOKEN: { why: 'this does not belong here', hint: 'look at the indentation and quotes just before it' },
}
