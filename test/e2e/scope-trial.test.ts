import { existsSync } from 'node:fs'
import { describe, expect } from 'vitest'
import { executable } from './harness/artefacts.ts'
import { outcome } from './harness/outcome.ts'
import { type OwnManager, ownManager } from './harness/own-manager.ts'
import { kill } from './harness/processes.ts'
import { noManager } from './harness/provided.ts'
import { type Sandbox, test } from './harness/sandbox.ts'
import { systemctl } from './harness/units.ts'

const SLICE = 'mcp-of-this-test.slice'

/** Whether the server is started, and whether in its scope. */
async function launch(sandbox: Sandbox, { runtimeDir }: OwnManager, prefix: readonly string[] = []): Promise<string> {
  const args = ['-c', 'grep -q /mcp-it- /proc/self/cgroup && echo in its scope || echo without scope']
  sandbox.writeRegistry({ servers: { it: { command: 'sh', args, slice: SLICE } } })
  const launched = await sandbox.launch(executable, ['it'], { env: { XDG_RUNTIME_DIR: runtimeDir }, prefix })
  const { code, stdout, stderr } = await outcome(launched)
  return code === 0 ? stdout : `${code}: ${stderr}`
}

async function systemdFindings(sandbox: Sandbox, { runtimeDir }: OwnManager): Promise<string[]> {
  const check = await sandbox.launch(executable, ['check', '--json', 'it'], { env: { XDG_RUNTIME_DIR: runtimeDir } })
  const { findings } = JSON.parse((await outcome(check)).stdout) as { findings: Record<string, string>[] }
  return findings.flatMap(({ area, severity, what, why }) =>
    area === 'systemd' ? [`${severity} ${what}: ${why}`] : [],
  )
}

describe.skipIf(noManager || process.getuid?.() !== 0)('what was found out earlier', () => {
  test('of a slice that is masked since then: the server starts without its scope, and check says why', async ({
    sandbox,
  }) => {
    const own = await ownManager()
    expect(await launch(sandbox, own)).toBe('in its scope\n')
    await systemctl(own.manager, ['mask', '--runtime', SLICE])
    // Until it is stopped, a slice that is masked still works.
    await systemctl(own.manager, ['stop', SLICE])
    expect(await launch(sandbox, own)).toBe('without scope\n')
    expect(await systemdFindings(sandbox, own)).toContainEqual(
      expect.stringMatching(/^warning no scope in: for it: .*mask/),
    )
    await systemctl(own.manager, ['unmask', '--runtime', SLICE])
    expect(await launch(sandbox, own)).toBe('in its scope\n')
  })

  test('in another pid namespace, where the manager takes nobody for its own', async ({ sandbox }) => {
    const own = await ownManager()
    expect(await launch(sandbox, own)).toBe('in its scope\n')
    const unshared = ['unshare', '--pid', '--fork', '--mount-proc', 'sh', '-c', '"$@"; exit', 'sh']
    expect(await launch(sandbox, own, unshared)).toBe('without scope\n')
    expect(await launch(sandbox, own)).toBe('in its scope\n')
  })

  test('of a manager that doesn’t answer now: check says so', { timeout: 60_000 }, async ({ sandbox }) => {
    const own = await ownManager()
    expect(await launch(sandbox, own)).toBe('in its scope\n')
    expect(existsSync(`/proc/${own.pid}`)).toBe(true)
    kill(own.pid, 'SIGSTOP')
    const found = await systemdFindings(sandbox, own)
    kill(own.pid, 'SIGCONT')
    expect(found).toContain("warning no scope in: for it: systemd-run didn't answer in time")
  })
})
