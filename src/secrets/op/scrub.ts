const LIMIT_CHARACTERS = 80
/** The shortest part of a token that is recognised: shorter ones are in ordinary words as well. */
const PART = 6
const HIDDEN = '[…]'
/** What a token says besides secrets; these would make ordinary words of a message look like parts of the token. */
const NOT_SECRET = new Set(['signInAddress', 'email', 'method', 'alg', 'kty', 'kid'])

/**
 * The beginning of a message of unknown making, in which nothing is left that is part of the token (as it is, or
 * decoded), that begins like a token, or that is long enough to be a key. One line.
 */
export function scrubbed(message: string, token: string): string {
  const secrets = [token, ...secretsIn(token)].join('\n')
  const words = message.replace(/[\w+/=.-]{6,}/g, (word) => (isSuspect(word, secrets) ? HIDDEN : word))
  const line = words.replace(/[\s\p{Cc}]+/gu, ' ').trim()
  return line.length > LIMIT_CHARACTERS ? `${line.slice(0, LIMIT_CHARACTERS).trimEnd()}…` : line
}

function isSuspect(word: string, secrets: string): boolean {
  if (word.includes('ops_') || /[\w+/=-]{24,}/.test(word)) return true
  for (let start = 0; start + PART <= word.length; start += 1) {
    if (secrets.includes(word.slice(start, start + PART))) return true
  }
  return false
}

/** A token is `ops_` and base64url of JSON: the secrets stand in its strings. */
function secretsIn(token: string): string[] {
  const decoded = Buffer.from(token.replace(/^ops_/, ''), 'base64').toString()
  try {
    const strings: string[] = []
    JSON.parse(decoded, (key, value: unknown) => {
      if (typeof value === 'string' && !NOT_SECRET.has(key)) strings.push(value)
      return value
    })
    return strings
  } catch {
    return [decoded]
  }
}
