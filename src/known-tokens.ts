/** Openings that their issuers gave to tokens so that scanners can find them, with as much after them as they all have. */
const FORMS = [
  'gh[opsur]_[A-Za-z0-9]{16,}', // GitHub
  'github_pat_[A-Za-z0-9_]{16,}',
  'glpat-[A-Za-z0-9_-]{16,}', // GitLab
  'sk-(?=[A-Za-z0-9_-]{0,40}[0-9])[A-Za-z0-9_-]{16,}', // OpenAI, Anthropic and many more; the digit spares plain words
  '[sr]k_live_[A-Za-z0-9]{16,}', // Stripe
  'xox[abeoprs]-[A-Za-z0-9-]{10,}', // Slack
  'xapp-[A-Za-z0-9-]{10,}',
  '(?:AKIA|ASIA)[A-Z0-9]{16}', // AWS
  'AIza[A-Za-z0-9_-]{35}', // Google
  'hf_[A-Za-z0-9]{30,}', // Hugging Face
  'npm_[A-Za-z0-9]{36}',
  'ops_[A-Za-z0-9_-]{16,}', // 1Password service accounts
  'pypi-[A-Za-z0-9_-]{16,}',
  'hvs\\.[A-Za-z0-9_-]{16,}', // HashiCorp Vault
  'dop_v1_[a-f0-9]{16,}', // DigitalOcean
].join('|')

/** Wherever it stands: a file of keys may begin with anything. */
const PRIVATE_KEY = 'AGE-SECRET-KEY-(?:PQ-)?1|-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----'
const SOMEWHERE = new RegExp(`(?:^|[^A-Za-z0-9])(?:${FORMS})|${PRIVATE_KEY}`)
const AT_THE_START = new RegExp(`^(?:${FORMS})|${PRIVATE_KEY}`)

/** True for text that holds what is most likely a credential, whatever stands around it (`Bearer …`). */
export function holdsKnownToken(text: string): boolean {
  return SOMEWHERE.test(text)
}

/** True for a value that begins as a token does: a path with such a directory in it is none. */
export function isKnownToken(value: string): boolean {
  return AT_THE_START.test(value)
}
