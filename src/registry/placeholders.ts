/** A stretch of a text that may hold `${NAME}`. */
export type Part =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'variable'; readonly name: string; readonly fallback: string | undefined }
  /** `why` continues a sentence that begins with the text's place, and never quotes the text. */
  | { readonly kind: 'mistake'; readonly why: string; readonly hint: string }

const OPENING = /\$?\$\{/g
const VARIABLE = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s

/** Takes a text apart. `$${` is a literal `${`; a `$` without a brace is nothing special. */
export function parsePlaceholders(text: string): Part[] {
  const parts: Part[] = []
  let done = 0
  const literal = (end: number): void => {
    if (end > done) parts.push({ kind: 'literal', text: text.slice(done, end) })
  }
  OPENING.lastIndex = 0
  for (let match = OPENING.exec(text); match !== null; match = OPENING.exec(text)) {
    literal(match.index)
    done = OPENING.lastIndex
    if (match[0] === '$${') {
      parts.push({ kind: 'literal', text: '${' })
      continue
    }
    const close = text.indexOf('}', done)
    parts.push(variable(close === -1 ? undefined : text.slice(done, close)))
    done = close === -1 ? text.length : close + 1
    OPENING.lastIndex = done
  }
  literal(text.length)
  return parts
}

function variable(inner: string | undefined): Part {
  if (inner === undefined) {
    return { kind: 'mistake', why: 'has a ${ that is not closed', hint: 'write $${ for a literal ${' }
  }
  const [, name, fallback] = VARIABLE.exec(inner) ?? []
  if (name === undefined) {
    return {
      kind: 'mistake',
      why: `has a \${…} that holds no variable name`,
      hint: `write \${NAME} or \${NAME:-default}, and $\${ for a literal \${`,
    }
  }
  if (fallback?.includes('${')) {
    return { kind: 'mistake', why: `has a \${ inside the default of \${${name}}`, hint: 'give a default without ${' }
  }
  return { kind: 'variable', name, fallback }
}
