import { execFileSync } from 'node:child_process'
import { readdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect } from 'vitest'
import { CANARY, printing, run, upstream } from './cache-upstream.ts'
import { bundle, executable } from './harness/artefacts.ts'
import { type Sandbox, test } from './harness/sandbox.ts'

/** By the ends of their paths in the home: what a launch reads or writes. */
const PLACES = [
  '.cache/mcp-launch/secrets.enc',
  '.cache/mcp-launch/secrets.meta',
  '.cache/mcp-launch/secrets.lock',
  '.cache/mcp-launch/host.json',
  '.local/state/mcp-launch/machine.key',
  '.local/state/mcp-launch/audit.jsonl',
]

function replaceByPipe(path: string): void {
  rmSync(path, { recursive: true, force: true })
  execFileSync('mkdir', ['-p', '-m', '700', dirname(path)])
  execFileSync('mkfifo', ['-m', '600', path])
}

async function startsWith(sandbox: Sandbox, paths: readonly string[], artefact = executable): Promise<void> {
  for (const path of paths) replaceByPipe(path)
  const launched = await run(sandbox, ['it'], { artefact })
  expect(launched).toMatchObject({ code: 0, stdout: `${CANARY}\n` })
  const status = await run(sandbox, ['secrets', 'status'], { artefact })
  expect([0, 1]).toContain(status.code)
}

test.for(PLACES.flatMap((place) => [executable, bundle].map((artefact) => ({ place, artefact }))))(
  'a pipe in place of ~/$place hangs nothing ($artefact.name)',
  async ({ place, artefact }, { sandbox }) => {
    sandbox.writeRegistry(printing(upstream(sandbox)))
    await run(sandbox, ['it'], { artefact })
    // So that there is something to be asked for and written.
    rmSync(join(sandbox.cacheDir, 'secrets.enc'))
    await startsWith(sandbox, [join(sandbox.home, place)], artefact)
  },
)

test('nor does one in place of a lock of a question, of a compiled registry', async ({ sandbox }) => {
  const source = upstream(sandbox)
  sandbox.writeRegistry(printing(source, { resolveTimeout: '300ms' }))
  source.behave('sleep 1')
  await run(sandbox, ['it'])
  const names = readdirSync(sandbox.cacheDir).filter((name) => /^fetch-[0-9a-f]{16}\.lock$/.test(name))
  expect(names).toHaveLength(1)
  source.behave(':')
  sandbox.writeRegistry(printing(source))
  await run(sandbox, ['it'])
  const compiled = readdirSync(join(sandbox.cacheDir, 'registry')).map((name) => join('registry', name))
  rmSync(join(sandbox.cacheDir, 'secrets.enc'))
  await startsWith(
    sandbox,
    [...names, ...compiled].map((name) => join(sandbox.cacheDir, name)),
  )
})

test('a state directory that others can write in is not written in, which is said once', async ({ sandbox }) => {
  const source = upstream(sandbox)
  for (const server of [printing(source), { servers: { it: { command: 'echo', args: [CANARY], scope: 'off' } } }]) {
    sandbox.writeRegistry(server)
    execFileSync('mkdir', ['-p', '-m', '777', sandbox.stateDir])
    const launched = await run(sandbox, ['it'])
    expect(launched).toMatchObject({ code: 0, stdout: `${CANARY}\n` })
    const lines = launched.stderr.split('\n').filter((line) => line.includes('refusing the state directory'))
    expect(lines).toEqual([expect.stringContaining(`(chmod go-w ${sandbox.stateDir})`)])
    expect(readdirSync(sandbox.stateDir)).toEqual([])
  }
})
