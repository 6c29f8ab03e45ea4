import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect } from 'vitest'
import { type Answerer, always, type Loopback, makeCertificate, tlsServer } from '../secrets/op/loopback.ts'
import { madeUpToken } from '../secrets/op/token.ts'
import { atOnce, auditLines, PRINTS, run } from './cache-upstream.ts'
import { type Artefact, bundle, executable } from './harness/artefacts.ts'
import type { Outcome } from './harness/outcome.ts'
import { type Sandbox, test } from './harness/sandbox.ts'

// With the pid, or it would be taken for abandoned.
const directory = mkdtempSync(join(tmpdir(), `mcp-launch-test-${process.pid}-account-`))
afterAll(() => rmSync(directory, { recursive: true, force: true }))
const noOpenssl = makeCertificate(directory)

/** The built program with the real SDK, and a server on this machine for 1Password. */
interface Account extends Loopback {
  launch(token?: string): Promise<Outcome>
}

async function withAccount(
  { sandbox, artefact, answer }: { sandbox: Sandbox; artefact: Artefact; answer: Answerer },
  use: (account: Account) => Promise<void>,
): Promise<void> {
  const server = await tlsServer(directory, answer)
  const trusting = { NODE_EXTRA_CA_CERTS: join(directory, 'cert.pem') }
  sandbox.writeRegistry({
    cache: { resolveTimeout: '30s' },
    servers: { it: { ...PRINTS, secrets: { API_KEY: 'op://vault/item/field' } } },
  })
  const launch = (token = madeUpToken(server.address)) =>
    run(sandbox, ['it'], { artefact, env: { ...trusting, OP_SERVICE_ACCOUNT_TOKEN: token } })
  try {
    await use({ ...server, launch })
  } finally {
    server.close()
  }
}

describe.skipIf(noOpenssl).each([executable, bundle])('1Password and $name', (artefact) => {
  test('a rate limit is one request, however many start at once and again', async ({ sandbox }) => {
    await withAccount({ sandbox, artefact, answer: always(429) }, async ({ launch, requests }) => {
      const message = '1password refuses requests for now: the rate limit is exceeded'
      for (const { code, stderr } of await atOnce(10, () => launch())) {
        expect(`${code} ${stderr}`).toMatch(new RegExp(`^75 mcp-launch: error: ${message}`))
      }
      const again = await atOnce(10, () => launch())
      for (const { stderr } of again) expect(stderr).toContain(`${message}; not asked again for`)
      expect(requests).toEqual(['POST /api/v3/auth/start'])
      expect(auditLines(sandbox)).toContainEqual(expect.objectContaining({ event: 'cooldown', source: '1password' }))
    })
    await sandbox.expectNothingLeft()
  })

  test('a token that is gone is tried once, and another one at once', async ({ sandbox }) => {
    await withAccount({ sandbox, artefact, answer: always(401) }, async ({ launch, requests, address }) => {
      const message = '1password rejected the token: it is expired, revoked or deleted'
      for (const _ of [1, 2, 3]) expect((await launch()).stderr).toContain(message)
      expect(requests).toHaveLength(1)
      const other = madeUpToken(address, { deviceUuid: 'cdefghijklmnopqrstuvwxyzab' })
      for (const _ of [1, 2]) expect((await launch(other)).stderr).toContain(message)
      expect(requests).toHaveLength(2)
    })
    await sandbox.expectNothingLeft()
  })

  test('a client without a token does not stop one that has it', async ({ sandbox }) => {
    await withAccount({ sandbox, artefact, answer: always(500) }, async ({ launch, requests }) => {
      const [without, having] = await Promise.all([launch(''), launch()])
      expect(without.stderr).toMatch(/OP_SERVICE_ACCOUNT_TOKEN is empty|internal error \(500\)/)
      expect(having.stderr).toContain('internal error (500)')
      expect(requests).toEqual(['POST /api/v3/auth/start'])
      expect((await launch('')).stderr).toContain('internal error (500); not asked again for')
    })
    await sandbox.expectNothingLeft()
  })
})
