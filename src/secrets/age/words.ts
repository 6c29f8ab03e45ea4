const TOKEN = /[ \t\r\n]+|#[^\n]*|(?<word>(?:[^ \t\r\n"'\\]|\\[\s\S]|"(?:[^"\\]|\\[\s\S])*"|'[^']*')+)/y
const QUOTED = /\\([\s\S])|"((?:[^"\\]|\\[\s\S])*)"|'([^']*)'/g

/**
 * The words of a command line, as `github.com/google/shlex` splits them, which is what SOPS does with
 * `SOPS_AGE_KEY_CMD`: quotes, backslashes and comments of a shell, and nothing else of it. A backslash in double
 * quotes takes itself away before any character. Undefined if a quote or a backslash is left open.
 */
export function shellWords(line: string): readonly string[] | undefined {
  const words: string[] = []
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < line.length) {
    const token = TOKEN.exec(line)
    if (token === null) return undefined
    const word = token.groups?.['word']
    if (word !== undefined) words.push(unquote(word))
  }
  return words
}

function unquote(word: string): string {
  return word.replace(QUOTED, (_all, escaped?: string, double?: string, single?: string) => {
    if (double !== undefined) return double.replace(/\\([\s\S])/g, '$1')
    return escaped ?? single ?? ''
  })
}
