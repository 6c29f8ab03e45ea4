import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { describe, expect } from 'vitest'
import { artefacts } from './harness/artefacts.ts'
import { cgroupOf } from './harness/cgroup.ts'
import { DEMO_REF, DEMO_SECRET, plantDemoSecret } from './harness/demo-secret.ts'
import { noManager, userManager } from './harness/provided.ts'
import { ROOT } from './harness/root.ts'
import { type Sandbox, test } from './harness/sandbox.ts'
import { server } from './harness/servers.ts'
import { unitProperties } from './harness/units.ts'
import { withManagerAtRunUser } from './harness/user-manager.ts'

/** Where npm puts real servers, and the Node that they run on. */
const BIN = join(ROOT, 'node_modules', '.bin')

/** What the six variables and the sandbox's marker are called. */
const CLIENT_VARIABLES = ['HOME', 'LOGNAME', 'MCP_TEST_SANDBOX', 'PATH', 'SHELL', 'TERM', 'USER']

interface EnvAnswer {
  readonly pid: number
  readonly names: string[]
  readonly sha256: string | null
}

function writeWeather(sandbox: Sandbox): void {
  plantDemoSecret(sandbox)
  sandbox.writeRegistry(`
servers:
  weather:
    command: mcp-server-everything
    args: [stdio]
    path: [${BIN}]
    secrets:
      WEATHER_API_KEY: ${DEMO_REF}
`)
}

function writeEnvServer(sandbox: Sandbox): void {
  plantDemoSecret(sandbox)
  sandbox.writeRegistry({ servers: { vars: { ...server('mcp-env'), secrets: { TOKEN: DEMO_REF } } } })
}

describe.each(artefacts)('$name', (artefact) => {
  test('a client talks to server-everything, which has its secret from the SOPS file', async ({ sandbox }) => {
    writeWeather(sandbox)
    const weather = await sandbox.connect(artefact, ['weather'])
    const { tools } = await weather.client.listTools()
    expect(tools.map(({ name }) => name)).toEqual(expect.arrayContaining(['echo', 'get-env', 'get-sum']))
    expect(await weather.call('echo', { message: 'grüß Gott' })).toBe('Echo: grüß Gott')
    expect(JSON.parse(await weather.call('get-env'))).toMatchObject({ WEATHER_API_KEY: DEMO_SECRET })
    await weather.close()
    await sandbox.expectNothingLeft()
  })

  test('extra arguments reach server-filesystem', async ({ sandbox }) => {
    sandbox.writeRegistry({ servers: { files: { command: 'mcp-server-filesystem', path: [BIN] } } })
    const file = sandbox.writeFile('shared/poem.txt', 'tyger tyger')
    sandbox.writeFile('private/diary.txt', 'dear diary')
    const files = await sandbox.connect(artefact, ['files', '--', join(sandbox.home, 'shared')])
    expect(await files.call('read_text_file', { path: file })).toBe('tyger tyger')
    const refused = await files.call('read_text_file', { path: join(sandbox.home, 'private', 'diary.txt') })
    expect(refused).toContain('Access denied')
    await files.close()
    await sandbox.expectNothingLeft()
  })

  test('the process that the client started is the server, with the client’s variables and its own', async ({
    sandbox,
  }) => {
    writeEnvServer(sandbox)
    const vars = await sandbox.connect(artefact, ['vars'])
    const { pid, names, sha256 } = JSON.parse(await vars.call('env', { name: 'TOKEN' })) as EnvAnswer
    expect(pid).toBe(vars.pid)
    expect(sha256).toBe(createHash('sha256').update(DEMO_SECRET).digest('hex'))
    expect(names).toEqual([...CLIENT_VARIABLES, 'TOKEN'].sort())
    expect(vars.stderr()).toBe('')
    await vars.close()
    await sandbox.expectNothingLeft()
  })

  describe.skipIf(noManager)('with a user manager', () => {
    test('the server is in a scope of its own, in mcp-servers.slice', async ({ sandbox }) => {
      writeEnvServer(sandbox)
      const vars = await sandbox.connect(artefact, ['vars'], { env: sandbox.envWithManager() })
      const { pid } = JSON.parse(await vars.call('env')) as EnvAnswer
      expect(pid).toBe(vars.pid)
      const unit = `mcp-vars-${pid}.scope`
      expect(cgroupOf(pid).directory).toMatch(new RegExp(`/mcp\\.slice/mcp-servers\\.slice/${unit}$`))
      expect(await unitProperties(userManager(), unit)).toMatchObject({
        ActiveState: 'active',
        Slice: 'mcp-servers.slice',
        Description: 'MCP server vars',
      })
      await vars.close()
      await sandbox.expectNothingLeft()
    })

    test('six variables are enough: the runtime directory is derived', async ({ sandbox }) => {
      writeEnvServer(sandbox)
      const prefix = withManagerAtRunUser(userManager())
      const vars = await sandbox.connect(artefact, ['vars'], { prefix })
      const { pid, names, sha256 } = JSON.parse(await vars.call('env', { name: 'XDG_RUNTIME_DIR' })) as EnvAnswer
      expect(pid).toBe(vars.pid)
      expect(cgroupOf(pid).directory).toContain(`mcp-vars-${pid}.scope`)
      expect(names).toEqual(expect.arrayContaining([...CLIENT_VARIABLES, 'TOKEN', 'XDG_RUNTIME_DIR']))
      expect(sha256).toBe(createHash('sha256').update(`/run/user/${process.getuid?.()}`).digest('hex'))
      await vars.close()
      await sandbox.expectNothingLeft()
    })
  })
})
