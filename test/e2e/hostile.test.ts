import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect } from 'vitest'
import { artefacts } from './harness/artefacts.ts'
import { DEMO_REF, plantDemoSecret } from './harness/demo-secret.ts'
import { INITIALIZE } from './harness/json-rpc.ts'
import { outcome } from './harness/outcome.ts'
import { type Sandbox, test } from './harness/sandbox.ts'
import { type Report, reportOf, server } from './harness/servers.ts'

/** What the launcher or its runtime might load or run by one of these names, if it asked the working directory. */
const PACKAGES = ['commander', 'yaml', 'zod', 'sops-age', 'age-encryption']
const PROGRAMS = ['env', 'setpriv', 'systemd-run', 'sh', 'node', 'bun', 'sops', 'report', 'mcp-launch']

/** A project of somebody who wants a launch to run or to read something of theirs. Each file that is run leaves a mark. */
function plantHostileProject(sandbox: Sandbox): { directory: string; marks: () => string[] } {
  const directory = join(sandbox.home, 'hostile')
  const marks = join(sandbox.home, 'marks')
  const file = (name: string, content: string, mode?: number): void => {
    sandbox.writeFile(join(directory, name), content, mode)
  }
  const javascript = (name: string): string =>
    `require('node:fs').mkdirSync('${marks}/${name}', { recursive: true })\nprocess.env.HOSTILE = '${name}'\n`
  file(
    '.env',
    'HOSTILE=env\nLD_PRELOAD=/nowhere.so\nMCP_LAUNCH_REGISTRY=./servers.yaml\nNODE_OPTIONS=--require=./evil.cjs\n',
  )
  file('.env.local', 'HOSTILE=env.local\n')
  file('.env.production', 'HOSTILE=env.production\n')
  file('bunfig.toml', 'preload = ["./preload.cjs"]\n[test]\npreload = ["./preload.cjs"]\n[run]\nbun = true\n')
  file('.bunfig.toml', 'preload = ["./preload.cjs"]\n')
  file('preload.cjs', javascript('preload'))
  file('evil.cjs', javascript('evil'))
  file('package.json', '{ "type": "module", "main": "evil.cjs", "imports": { "#*": "./evil.cjs" }, "mcp-launch": {} }')
  file('tsconfig.json', '{ "compilerOptions": { "paths": { "*": ["./evil.cjs"] }, "jsxImportSource": "evil" } }')
  file('node.config.json', '{ "nodeOptions": { "require": ["./evil.cjs"] } }')
  for (const name of PACKAGES) {
    file(`node_modules/${name}/package.json`, `{ "name": "${name}", "main": "index.cjs" }`)
    file(`node_modules/${name}/index.cjs`, javascript(`package-${name}`))
  }
  const hostileServer = `servers:\n  it: { command: mkdir, args: [-p, "${marks}/command"], env: { HOSTILE: project } }\n`
  for (const name of ['.mcp-launch.yaml', 'servers.yaml', 'servers.json', '.sops.yaml']) file(name, hostileServer)
  for (const name of PROGRAMS) {
    file(name, `#!/bin/sh\nmkdir -p ${marks}/program-${name}\n`, 0o700)
    file(`node_modules/.bin/${name}`, `#!/bin/sh\nmkdir -p ${marks}/program-${name}\n`, 0o700)
  }
  return { directory, marks: () => (existsSync(marks) ? readdirSync(marks) : []) }
}

function writeServer(sandbox: Sandbox): void {
  plantDemoSecret(sandbox)
  sandbox.writeRegistry({ servers: { it: { ...server('report'), secrets: { TOKEN: DEMO_REF } } } })
}

/** All but what differs between any two launches, and the directory itself. */
function lasting({ env, argv, umask, SigIgn, SigBlk, deathSignal }: Report): object {
  const { INVOCATION_ID: _, ...stable } = env
  return { env: stable, argv, umask, SigIgn, SigBlk, deathSignal }
}

describe.each(artefacts)('$name', (artefact) => {
  test('a hostile working directory changes nothing about a launch', async ({ sandbox }) => {
    writeServer(sandbox)
    const { directory, marks } = plantHostileProject(sandbox)
    sandbox.writeFile('empty/.keep', '')
    const reports: Report[] = []
    for (const cwd of [join(sandbox.home, 'empty'), directory, directory]) {
      const launched = await sandbox.launch(artefact, ['it'], { env: sandbox.envWithManager(), cwd })
      const report = await reportOf(launched)
      expect(report).toMatchObject({ pid: launched.pid, cwd })
      reports.push(report)
      expect(await outcome(launched)).toMatchObject({ code: 0, stderr: '' })
    }
    const [expected, ...inHostile] = reports.map(lasting)
    expect(inHostile).toEqual([expected, expected])
    expect(marks()).toEqual([])
  })

  test.for([['list'], ['explain', 'it'], ['explain', 'it', '--json'], ['--help'], ['schema']])(
    'nor about mcp-launch %j',
    async (args, { sandbox }) => {
      writeServer(sandbox)
      const { directory, marks } = plantHostileProject(sandbox)
      const { code, stderr, stdout } = await outcome(await sandbox.launch(artefact, args, { cwd: directory }))
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      expect(stdout).not.toContain('HOSTILE')
      expect(marks()).toEqual([])
    },
  )

  test('nor about a failing launch', async ({ sandbox }) => {
    const { directory, marks } = plantHostileProject(sandbox)
    const { code, stderr } = await outcome(await sandbox.launch(artefact, ['it'], { cwd: directory }), INITIALIZE)
    expect(code).toBe(2)
    expect(stderr).toContain(`error: no registry: looked for servers.yaml`)
    expect(marks()).toEqual([])
  })
})
