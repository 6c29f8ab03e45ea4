import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect } from 'vitest'
import { parse } from 'yaml'
import { type Artefact, artefacts } from './harness/artefacts.ts'
import { DEMO_REF, plantDemoSecret } from './harness/demo-secret.ts'
import { withoutManager } from './harness/no-manager.ts'
import { type Outcome, outcome } from './harness/outcome.ts'
import { ROOT } from './harness/root.ts'
import { type LaunchOptions, type Sandbox, test } from './harness/sandbox.ts'
import { reportOf, server } from './harness/servers.ts'

const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }

const REGISTRY = `
servers:
  maps: { command: mcp-maps, args: [--fast, two words] }
  weather:
    description: sun and rain
    command: /bin/sh
    args: [-c, "exit 0"]
    env: { UNITS: metric }
    secrets:
      API_KEY: ${DEMO_REF}
      LATER: { command: [touch, ~/explain-ran-a-program] }
    limits: { memoryMax: 1G }
    scope: off
    deathSignal: off
  old: { command: old, enabled: false }
`

describe.each(artefacts)('$name', (artefact) => {
  /** Runs `mcp-launch …` to its end. */
  async function mcpLaunch(sandbox: Sandbox, args: readonly string[], options?: LaunchOptions): Promise<Outcome> {
    return outcome(await sandbox.launch(artefact, args, options))
  }

  function printed(stdout: string): Outcome {
    return { code: 0, signal: null, stdout, stderr: '' }
  }

  test('what nobody reads is no defect', async ({ sandbox }) => {
    sandbox.writeRegistry(REGISTRY)
    const piped = ['sh', '-c', '{ sleep 0.1; "$@"; echo "ended with $?" >&2; } | true', 'sh', ...artefact.argv]
    for (const args of [['list', '--names'], ['--help']]) {
      expect((await outcome(await sandbox.run([...piped, ...args]))).stderr).toBe('ended with 1\n')
    }
  })

  test('a full disk is told', async ({ sandbox }) => {
    sandbox.writeRegistry(REGISTRY)
    const full = ['sh', '-c', '"$@" > /dev/full', 'sh', ...artefact.argv, 'list']
    expect(await outcome(await sandbox.run(full))).toMatchObject({
      code: 1,
      stderr: "mcp-launch: error: can't write to stdout: no space left on the device\n",
    })
  })

  test('list', async ({ sandbox }) => {
    sandbox.writeRegistry(REGISTRY)
    expect(await mcpLaunch(sandbox, ['list'])).toEqual(
      printed('maps     on   mcp-maps --fast two words\nweather  on   sun and rain\nold      off  old\n'),
    )
    expect(await mcpLaunch(sandbox, ['list', '--names'])).toEqual(printed('maps\nweather\nold\n'))
    const { stdout } = await mcpLaunch(sandbox, ['list', '--json'])
    expect(JSON.parse(stdout)).toEqual({
      registry: sandbox.registry,
      servers: [
        { name: 'maps', enabled: true, command: 'mcp-maps', secrets: [] },
        {
          name: 'weather',
          enabled: true,
          description: 'sun and rain',
          command: '/bin/sh',
          secrets: ['API_KEY', 'LATER'],
        },
        { name: 'old', enabled: false, command: 'old', secrets: [] },
      ],
    })
  })

  test('another registry: --registry before MCP_LAUNCH_REGISTRY before the usual place', async ({ sandbox }) => {
    sandbox.writeRegistry({ servers: { usual: { command: 'sh' } } })
    sandbox.writeFile('a/servers.json', JSON.stringify({ servers: { option: { command: 'sh' } } }))
    sandbox.writeFile('b.yaml', 'servers: { variable: { command: sh } }')
    const env = { MCP_LAUNCH_REGISTRY: '~/b.yaml' }
    expect(await mcpLaunch(sandbox, ['list', '--names'])).toEqual(printed('usual\n'))
    expect(await mcpLaunch(sandbox, ['list', '--names'], { env })).toEqual(printed('variable\n'))
    const option = ['list', '--names', '--registry', 'a/servers.json']
    expect(await mcpLaunch(sandbox, option, { env })).toEqual(printed('option\n'))
    expect(await mcpLaunch(sandbox, ['--registry=a/servers.json', 'run', 'option'], { env })).toEqual(printed(''))
  })

  test('explain: everything a launch would do, and no value', async ({ sandbox }) => {
    plantDemoSecret(sandbox)
    sandbox.writeRegistry(REGISTRY)
    const env = { AWS_SECRET_ACCESS_KEY: 'aws', OP_SERVICE_ACCOUNT_TOKEN: 'op' }
    const { stdout, ...end } = await mcpLaunch(sandbox, ['explain', 'weather'], { env })
    expect(end).toEqual({ code: 0, signal: null, stderr: '' })
    // Why a program isn't asked depends on what the cache holds.
    expect(
      stdout.replaceAll(sandbox.home, '~').replace(/(not asked {2}).+/, '$1…'),
    ).toBe(`server     weather: sun and rain
registry   ~/.config/mcp/servers.yaml
directory  ~
unit       none

secrets
  +  API_KEY  sops:secrets/demo.yaml#/weather/api_key          resolved
  +  LATER    {"command":["touch","~/explain-ran-a-program"]}  not asked  …

environment
  +  API_KEY                   from secret    sops:secrets/demo.yaml#/weather/api_key
  -  AWS_SECRET_ACCESS_KEY     dropped        looks like somebody else's credential
  +  HOME                      from client    inheritEnv: safe
  +  LATER                     from secret    {"command":["touch","~/explain-ran-a-program"]}
  +  LOGNAME                   from client    inheritEnv: safe
  +  MCP_TEST_SANDBOX          from client    inheritEnv: safe
  -  OP_SERVICE_ACCOUNT_TOKEN  dropped        the launcher's own
  +  PATH                      from client    inheritEnv: safe
  +  SHELL                     from client    inheritEnv: safe
  +  TERM                      from client    inheritEnv: safe
  +  UNITS                     from registry  env
  +  USER                      from client    inheritEnv: safe

wrapped in
  +  env          SIGPIPE and SIGXFSZ, which the runtime ignores, end the server as usual
  -  setpriv      left out: deathSignal is off
  -  systemd-run  left out: scope is off; no limits, and the server and what it starts may outlive the client

command line
  /usr/bin/env --default-signal=PIPE,XFSZ \\
  /bin/sh -c 'exit 0'

notes
  not passed to server "weather" because they look like credentials: AWS_SECRET_ACCESS_KEY (passEnv keeps them)
`)
    expect(readdirSync(sandbox.home)).not.toContain('explain-ran-a-program')
  })

  test('explain takes from the cache what a launch would, whatever the key', async ({ sandbox }) => {
    plantDemoSecret(sandbox)
    sandbox.writeRegistry({ servers: { it: { ...server('report'), secrets: { API_KEY: DEMO_REF } } } })
    await mcpLaunch(sandbox, ['it'])
    rmSync(join(sandbox.home, '.config', 'sops'), { recursive: true })
    const explained = await mcpLaunch(sandbox, ['explain', 'it'])
    const launched = await mcpLaunch(sandbox, ['it'])
    expect([explained.code, launched.code]).toEqual([0, 0])
    expect(explained.stdout).toMatch(/API_KEY {2}\S+ {2}not asked {2}in the cache for .+, fresh/)
  })

  test('explain runs no program for a key either', async ({ sandbox }) => {
    plantDemoSecret(sandbox)
    rmSync(join(sandbox.home, '.config', 'sops'), { recursive: true })
    sandbox.writeRegistry(REGISTRY)
    const env = { SOPS_AGE_KEY_CMD: 'touch explain-ran-a-program' }
    const { stdout } = await mcpLaunch(sandbox, ['explain', 'weather', '--json'], { env })
    const { secrets } = JSON.parse(stdout) as { secrets: { name: string; state: string; why: string }[] }
    expect(secrets.find(({ name }) => name === 'API_KEY')).toMatchObject({
      state: 'not asked',
      why: expect.stringContaining('SOPS_AGE_KEY_CMD'),
    })
    expect(readdirSync(sandbox.home)).not.toContain('explain-ran-a-program')
  })

  test('what prints prints JSON too', async ({ sandbox }) => {
    sandbox.writeRegistry(REGISTRY)
    const json = async (...args: string[]): Promise<unknown> =>
      JSON.parse((await mcpLaunch(sandbox, [...args, '--json'])).stdout)
    expect(await json('list', '--names')).toEqual(['maps', 'weather', 'old'])
    expect(await json('schema')).toEqual(JSON.parse((await mcpLaunch(sandbox, ['schema'])).stdout))
    const { stdout: script } = await mcpLaunch(sandbox, ['completion', 'bash'])
    expect(await json('completion', 'bash')).toEqual({ shell: 'bash', script })
  })

  test('--registry may stand before a command', async ({ sandbox }) => {
    sandbox.writeFile('elsewhere.yaml', 'servers: { there: { command: there } }')
    expect(await mcpLaunch(sandbox, ['--registry', 'elsewhere.yaml', 'list', '--names'])).toEqual(printed('there\n'))
  })

  test('a description prints as one line and moves no cursor', async ({ sandbox }) => {
    sandbox.writeRegistry({ servers: { it: { command: 'x', description: 'two\nlines \u001b[2Jand a screen' } } })
    expect(await mcpLaunch(sandbox, ['list'])).toEqual(printed('it  on  two lines  [2Jand a screen\n'))
  })

  test('explain --json of a launch that would fail ends as that launch would', async ({ sandbox, skip }) => {
    const nowhere = withoutManager()
    if ('unavailable' in nowhere) return skip(nowhere.unavailable)
    sandbox.writeRegistry({
      servers: { it: { command: 'no-such-command', scope: 'require', secrets: { A: 'file:nowhere' } } },
    })
    const explained = await mcpLaunch(sandbox, ['explain', 'it', '--json'], nowhere)
    const launched = await mcpLaunch(sandbox, ['it'], nowhere)
    expect([explained.code, launched.code]).toEqual([127, 127])
    const facts = JSON.parse(explained.stdout)
    expect(facts).toMatchObject({
      server: 'it',
      registry: sandbox.registry,
      scope: null,
      wrappers: [
        { name: 'env', used: true },
        { name: 'setpriv', used: true },
        { name: 'systemd-run', used: false },
      ],
      secrets: [{ name: 'A', from: 'file:nowhere', as: 'env', required: true, state: 'failed' }],
      problems: [{ exitCode: 127 }, { exitCode: 1 }, { exitCode: 1 }],
    })
    const messages = (facts.problems as { message: string }[]).map(({ message }) => `mcp-launch: error: ${message}`)
    expect(launched.stderr.split('\n').filter((line) => line.includes(' error: '))).toEqual(messages)
  })

  test.for(['0000', '0022', '0077'])(
    'init with umask %s writes a registry that is valid, once',
    async (umask, { sandbox }) => {
      const prefix = ['sh', '-c', `umask ${umask}; exec "$@"`, 'sh']
      const first = await mcpLaunch(sandbox, ['init'], { prefix })
      expect(first).toMatchObject({ code: 0, stderr: '' })
      expect(first.stdout.startsWith(`wrote ${sandbox.registry}\n`)).toBe(true)
      expect([modeOf(sandbox.registry), modeOf(sandbox.configDir)]).toEqual(['600', '700'])
      const written = readFileSync(sandbox.registry, 'utf8')
      expect(written).toMatch(/^# The registry of mcp-launch/)
      expect(await mcpLaunch(sandbox, ['list', '--names'])).toEqual(printed('everything\n'))

      const mine = `${written}# mine\n`
      sandbox.writeRegistry(mine)
      const second = await mcpLaunch(sandbox, ['init'])
      expect(second).toMatchObject({ code: 1, stdout: '' })
      expect(second.stderr).toContain(`mcp-launch: error: registry exists already "${sandbox.registry}"\n`)
      expect(readFileSync(sandbox.registry, 'utf8')).toBe(mine)
    },
  )

  test('init elsewhere, and as JSON', async ({ sandbox }) => {
    const path = join(sandbox.home, 'deep', 'er', 'mcp.yaml')
    const { stdout } = await mcpLaunch(sandbox, ['init', '--registry', path, '--json'])
    expect(JSON.parse(stdout)).toEqual({ created: path })
    expect(await mcpLaunch(sandbox, ['list', '--names', '--registry', path])).toEqual(printed('everything\n'))
  })

  test('schema is a JSON Schema that knows every key of the example', async ({ sandbox }) => {
    const { stdout, ...end } = await mcpLaunch(sandbox, ['schema'])
    expect(end).toEqual({ code: 0, signal: null, stderr: '' })
    const schema = JSON.parse(stdout) as Schema
    expect(schema.$schema).toBe('https://json-schema.org/draft/2020-12/schema')
    const example: unknown = parse(readFileSync(join(ROOT, 'examples', 'servers.yaml'), 'utf8'))
    expect(strangers(schema, example)).toEqual([])
    expect(strangers(schema, { servers: { it: { comand: 'npx' } }, more: 1 })).toEqual(['/servers/it/comand', '/more'])
  })

  test('--help, help and --version', async ({ sandbox }) => {
    const help = await mcpLaunch(sandbox, ['--help'])
    expect(help).toMatchObject({ code: 0, stderr: '' })
    for (const word of ['SERVER [-- ARGS…]', 'explain', 'list', 'init', 'schema', 'completion', '126', '127']) {
      expect(help.stdout).toContain(word)
    }
    expect(await mcpLaunch(sandbox, ['-h'])).toEqual(help)
    expect(await mcpLaunch(sandbox, ['help'])).toEqual(help)
    expect((await mcpLaunch(sandbox, ['help', 'explain'])).stdout).toContain('explain [options] <server>')
    expect(await mcpLaunch(sandbox, ['--version'])).toEqual(printed(`${version}\n`))
    expect(await mcpLaunch(sandbox, ['-V'])).toEqual(printed(`${version}\n`))
  })

  test.for([
    { args: ['--bogus'], says: 'unknown option "--bogus"' },
    { args: ['list', '--bogus'], says: 'unknown option "--bogus"' },
    { args: ['it', '--bogus'], says: 'unexpected argument "--bogus"' },
    { args: ['explain'], says: 'missing required argument "server"' },
    { args: ['run'], says: 'no server named' },
    { args: ['expalin', 'it'], says: 'unexpected argument "it"' },
    { args: ['--registry'], says: 'no file given to "--registry"' },
    { args: ['completion', 'tcsh'], says: 'no completion for shell "tcsh"' },
    { args: [], says: 'no server named' },
  ])('a command line that doesn’t fit ends with 2: $args', async ({ args, says }, { sandbox }) => {
    const { stderr, ...end } = await mcpLaunch(sandbox, args)
    expect(end).toEqual({ code: 2, signal: null, stdout: '' })
    expect(stderr).toMatch(/^mcp-launch: error: .+\nmcp-launch: hint: .+\n$/)
    expect(stderr).toContain(`mcp-launch: error: ${says}`)
  })

  test('a slip of a command’s name is told', async ({ sandbox }) => {
    expect((await mcpLaunch(sandbox, ['expalin', 'it'])).stderr).toContain('hint: did you mean "explain"?')
  })

  test('explain tells what a launch would refuse at last', async ({ sandbox }) => {
    sandbox.writeFile('.config/mcp/long', 'x'.repeat(200_000))
    sandbox.writeRegistry({ servers: { it: { ...server('report'), secrets: { LONG: 'file:long' } } } })
    const explained = await mcpLaunch(sandbox, ['explain', 'it'])
    const launched = await mcpLaunch(sandbox, ['it'])
    expect([explained.code, launched.code]).toEqual([126, 126])
    expect(explained.stdout).toContain('too long for a variable: LONG')
  })

  test.for([
    ['path', { command: 'id', path: ['bin'] }],
    ['command', { command: 'bin/id' }],
  ] as const)('a relative %s is a project’s, and refused', async ([place, entry], { sandbox }) => {
    sandbox.writeRegistry({ servers: { it: entry } })
    const { code, stderr } = await mcpLaunch(sandbox, ['it'])
    expect(code).toBe(2)
    expect(stderr).toMatch(new RegExp(`server "it": ${place}\\S* is relative`))
  })

  describe('the compiled registry', () => {
    const compiledDirectory = (sandbox: Sandbox): string => join(sandbox.cacheDir, 'registry')

    function compiledFile(sandbox: Sandbox): string {
      const [name, ...more] = readdirSync(compiledDirectory(sandbox))
      expect(more).toEqual([])
      return join(compiledDirectory(sandbox), name as string)
    }

    async function argsOf(sandbox: Sandbox): Promise<string[]> {
      const launched = await sandbox.launch(artefact, ['it'])
      const { argv } = await reportOf(launched)
      expect(await outcome(launched)).toMatchObject({ code: 0, stderr: '' })
      return argv.slice(1)
    }

    test('is what a second launch reads, as long as the registry is the same', async ({ sandbox }) => {
      sandbox.writeRegistry({ servers: { it: server('report', 'from-yaml') } })
      expect(await argsOf(sandbox)).toEqual(['from-yaml'])
      const file = compiledFile(sandbox)
      const [hash] = (file.split('/').at(-1) as string).split('.')
      const json = readFileSync(file, 'utf8').replace(/^\S+ /, '').trimEnd().replace('from-yaml', 'compiled')
      const checksum = createHash('sha256').update(`${hash}\n${json}`).digest('hex').slice(0, 32)
      sandbox.writeFile(file, `${checksum} ${json}\n`)
      expect(await argsOf(sandbox)).toEqual(['compiled'])
      sandbox.writeRegistry({ servers: { it: server('report', 'new') } })
      expect(await argsOf(sandbox)).toEqual(['new'])
    })

    test.for([
      { what: 'emptied', damage: () => '' },
      { what: 'cut off', damage: (whole: string) => whole.slice(0, -20) },
      { what: 'changed', damage: (whole: string) => whole.replace('from-yaml', 'not-yaml!') },
    ])('$what, is noticed and mended', async ({ damage }, { sandbox }) => {
      sandbox.writeRegistry({ servers: { it: server('report', 'from-yaml') } })
      await argsOf(sandbox)
      const file = compiledFile(sandbox)
      const whole = readFileSync(file, 'utf8')
      sandbox.writeFile(file, damage(whole))
      expect(await argsOf(sandbox)).toEqual(['from-yaml'])
      expect(readFileSync(file, 'utf8')).toBe(whole)
    })

    test('of 1,000 servers', async ({ sandbox }) => {
      const thousand = Array.from({ length: 1_000 }, (_, index) => [`server-${index}`, { command: `command-${index}` }])
      sandbox.writeRegistry({ servers: { ...Object.fromEntries(thousand), it: server('report', 'the last') } })
      expect(await argsOf(sandbox)).toEqual(['the last'])
      expect(await argsOf(sandbox)).toEqual(['the last'])
      const { stdout } = await mcpLaunch(sandbox, ['list', '--names'])
      expect(stdout.split('\n')).toHaveLength(1_002)
      expect(await mcpLaunch(sandbox, ['server-999'])).toMatchObject({ code: 127 })
    })
  })
})

interface Schema {
  readonly $schema?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly patternProperties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: boolean | Schema
  readonly anyOf?: readonly Schema[]
}

/** The keys of a value that its schema has no place for. */
function strangers(schema: Schema, value: unknown, path = ''): string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return []
  if (schema.anyOf !== undefined) {
    return schema.anyOf.map((one) => strangers(one, value, path)).sort((a, b) => a.length - b.length)[0] ?? []
  }
  return Object.entries(value).flatMap(([key, inner]) => {
    const place = placeFor(schema, key)
    return place === undefined ? [`${path}/${key}`] : strangers(place, inner, `${path}/${key}`)
  })
}

function placeFor({ properties, patternProperties, additionalProperties }: Schema, key: string): Schema | undefined {
  const pattern = Object.entries(patternProperties ?? {}).find(([form]) => new RegExp(form).test(key))
  return (
    properties?.[key] ?? pattern?.[1] ?? (typeof additionalProperties === 'object' ? additionalProperties : undefined)
  )
}

function modeOf(path: string): string {
  return (statSync(path).mode & 0o777).toString(8)
}

describe.each(artefacts)('completion, $name', (artefact) => {
  /** Puts `mcp-launch` on a PATH of the sandbox's, and a registry with two servers where it looks. */
  function install(sandbox: Sandbox, { argv }: Artefact): Record<string, string> {
    sandbox.writeRegistry({ servers: { everything: { command: 'a' }, evening: { command: 'b' } } })
    const words = argv.map((word) => `'${word}'`).join(' ')
    const bin = dirname(sandbox.writeFile('bin/mcp-launch', `#!/bin/sh\nexec ${words} "$@"\n`, 0o700))
    return { PATH: `${bin}:${sandbox.env()['PATH']}` }
  }

  async function has(sandbox: Sandbox, program: string): Promise<boolean> {
    return (await outcome(await sandbox.run(['sh', '-c', 'command -v "$0"', program]))).code === 0
  }

  const lines = [
    { line: ['mcp-launch', 'ev'], offers: ['evening', 'everything'] },
    { line: ['mcp-launch', 'ex'], offers: ['explain'] },
    { line: ['mcp-launch', 'explain', ''], offers: ['evening', 'everything'] },
    { line: ['mcp-launch', 'run', 'every'], offers: ['everything'] },
    { line: ['mcp-launch', 'completion', ''], offers: ['bash', 'fish', 'zsh'] },
    { line: ['mcp-launch', 'secrets', ''], offers: ['clear', 'refresh', 'status'] },
    { line: ['mcp-launch', 'secrets', 'status', 'ev'], offers: ['evening', 'everything'] },
    { line: ['mcp-launch', 'timer', 's'], offers: ['status'] },
    { line: ['mcp-launch', 'check', '--as', 'cl'], offers: ['claude-code', 'claude-desktop', 'cline'] },
    { line: ['mcp-launch', 'check', '--as', 'codex', 'even'], offers: ['evening'] },
    { line: ['mcp-launch', 'logs', 'evening', '--f'], offers: ['--follow'] },
    { line: ['mcp-launch', 'ps', '--w'], offers: ['--watch'] },
    { line: ['mcp-launch', 'help', 'g'], offers: ['gc'] },
  ]

  test.for(lines)('bash: $line', async ({ line, offers }, { sandbox, skip }) => {
    if (!(await has(sandbox, 'bash'))) return skip('no bash on the PATH')
    const env = install(sandbox, artefact)
    const script = `source <(mcp-launch completion bash)
      [[ $(complete -p mcp-launch) == *' -F '* ]] || exit 9
      COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
      function_name=$(complete -p mcp-launch); function_name=\${function_name##* -F }
      "\${function_name%% *}"; printf '%s\\n' "\${COMPREPLY[@]}" | sort`
    const bash = ['bash', '--norc', '-c', script, 'bash', ...line]
    expect(await outcome(await sandbox.run(bash, { env }))).toEqual({
      code: 0,
      signal: null,
      stdout: `${offers.join('\n')}\n`,
      stderr: '',
    })
  })

  test.for(lines)('fish: $line', async ({ line, offers }, { sandbox, skip }) => {
    if (!(await has(sandbox, 'fish'))) return skip('no fish on the PATH')
    const env = install(sandbox, artefact)
    const script = 'mcp-launch completion fish | source; complete -C "$argv"'
    const fish = ['fish', '--no-config', '-c', script, '--', line.join(' ')]
    const { stdout, code } = await outcome(await sandbox.run(fish, { env }))
    expect(code).toBe(0)
    const names = stdout.split('\n').flatMap((offer) => offer.split('\t')[0] || [])
    expect(names.sort()).toEqual(offers)
  })

  test.for(lines)('zsh: $line', async ({ line, offers }, { sandbox, skip }) => {
    if (!(await has(sandbox, 'zsh'))) return skip('no zsh on the PATH')
    const env = install(sandbox, artefact)
    // A real zsh in a terminal of its own; a widget in the place of Tab writes down what compadd is asked to offer.
    sandbox.writeFile(
      '.zshrc',
      `autoload -U compinit && compinit -u -D
      source <(mcp-launch completion zsh)
      compadd() { builtin compadd -O offered "$@"; print -rl -- $offered >> ~/offered; builtin compadd "$@" }
      zle -C record complete-word _main_complete
      bindkey '^I' record
      PS1='rea''dy> '\n`,
    )
    const script = `zmodload zsh/zpty
      zpty -b shell 'exec zsh -i' || exit
      zpty -r -m shell out '*ready> *' || exit 8
      zpty -w -n shell "$1"$'\\t'
      zpty -w -n shell $'\\C-u'
      zpty -w shell ' print fini''shed'
      zpty -r -m shell out '*finished*' || exit 9
      sort -u ~/offered; zpty -d shell`
    const zsh = ['timeout', '20', 'zsh', '-f', '-c', script, 'zsh', line.join(' ')]
    const { stdout } = await outcome(await sandbox.run(zsh, { env }))
    expect(stdout.split('\n').filter(Boolean)).toEqual(offers)
  })
})
