import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './root.ts'
import type { Sandbox } from './sandbox.ts'

/** The value in examples/secrets/demo.yaml, which its deliberately public key opens. */
export const DEMO_SECRET = 'sunny-with-a-chance-of-tokens'

/** How a registry names it. */
export const DEMO_REF = 'sops:secrets/demo.yaml#/weather/api_key'

/** Puts the encrypted file beside the registry, and the key where sops looks for it. */
export function plantDemoSecret(sandbox: Sandbox): void {
  sandbox.writeFile('.config/mcp/secrets/demo.yaml', encryptedDemo())
  sandbox.writeFile('.config/sops/age/keys.txt', readFileSync(join(ROOT, 'examples', 'demo-age-key.txt')))
}

/** The encrypted file. */
export function encryptedDemo(): string {
  return readFileSync(join(ROOT, 'examples', 'secrets', 'demo.yaml'), 'utf8')
}
