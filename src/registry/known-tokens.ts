/** Openings that their issuers gave to tokens so that scanners can find them, with as much after them as they all have. */
const TOKENS = [
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
  'AGE-SECRET-KEY-[A-Z0-9-]{8,}',
]

const TOKEN = new RegExp(`(?:^|[^A-Za-z0-9])(?:${TOKENS.join('|')})|-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----`)

/** True for text that holds what is most likely a credential, whatever stands around it (`Bearer …`). */
export function holdsKnownToken(text: string): boolean {
  return TOKEN.test(text)
}
