import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { buildEnvironment, type EnvironmentParts, planEnvironment } from '../../src/launch/environment.ts'
import { Secret } from '../../src/secrets/secret.ts'

const parts = (changes: Partial<EnvironmentParts> = {}): EnvironmentParts => ({
  client: {},
  server: { inheritEnv: 'safe', passEnv: [] },
  launcher: [],
  plain: {},
  secrets: [],
  ...changes,
})

const built = (changes: Partial<EnvironmentParts>) => ({ ...buildEnvironment(planEnvironment(parts(changes))) })

describe('what a client variable becomes', () => {
  const kept = (server: EnvironmentParts['server'], name: string, value = 'x') =>
    name in built({ server, client: { [name]: value } })
  const safe = { inheritEnv: 'safe', passEnv: [] } as const
  const minimal = { inheritEnv: 'minimal', passEnv: [] } as const
  const all = { inheritEnv: 'all', passEnv: [] } as const

  test.each([
    ['HOME', 'x'],
    ['PATH', '/bin'],
    ['PWD', '/'],
    ['OLDPWD', '/'],
    ['LANG', 'C'],
    ['EDITOR', 'vi'],
    ['XDG_CONFIG_HOME', '/c'],
    ['SSH_AUTH_SOCK', '/run/agent'],
    ['SSH_ASKPASS', '/usr/bin/askpass'],
    ['GPG_TTY', '/dev/tty'],
    ['HTTPS_PROXY', 'http://user:pass@proxy:3128'],
    ['CLAUDE_CODE_MAX_OUTPUT_TOKENS', '32000'],
    ['TOKENIZERS_PARALLELISM', 'false'],
    ['KEYBOARD', 'dvorak'],
    ['MONKEY', 'yes'],
    ['OP_ACCOUNT', 'my.1password.com'],
    ['DATABASE_URL', 'postgres://localhost/db'],
    ['PASSWORD_STORE_DIR', '/home/ada/.password-store'],
    ['SSH_AUTH_SOCK', '/run/user/1000/agent'],
    ['XAUTHORITY', '/home/ada/.Xauthority'],
    ['DBUS_SESSION_BUS_ADDRESS', 'unix:path=/run/user/1000/bus'],
  ])('safe passes %s=%s', (name, value) => {
    expect(kept(safe, name, value)).toBe(true)
  })

  test.each([
    ['OP_SERVICE_ACCOUNT_TOKEN', 'x'],
    ['OP_CONNECT_TOKEN', 'x'],
    ['OP_SESSION_my', 'x'],
    ['SOPS_AGE_KEY', 'x'],
    ['SOPS_AGE_KEY_FILE', '/k'],
    ['SOPS_AGE_KEY_CMD', 'cmd'],
    ['MCP_LAUNCH_REGISTRY', '/r'],
    ['AWS_SECRET_ACCESS_KEY', 'x'],
    ['AWS_ACCESS_KEY_ID', 'x'],
    ['AWS_SESSION_TOKEN', 'x'],
    ['GITHUB_TOKEN', 'x'],
    ['OPENAI_API_KEY', 'x'],
    ['ANTHROPIC_AUTH_TOKEN', 'x'],
    ['DB_PASSWORD', 'x'],
    ['DB_PWD', 'x'],
    ['MYSQL_PASS', 'x'],
    ['GOOGLE_APPLICATION_CREDENTIALS', '/x'],
    ['AZURE_DEVOPS_PAT', 'x'],
    ['SENTRY_DSN', 'x'],
    ['npm_config_token', 'x'],
    ['STRIPE_KEY', 'x'],
    ['PGPASSWORD', 'x'],
    ['SSHPASS', 'x'],
    ['HTTP_AUTHORIZATION', 'Bearer x'],
    ['REDISCLI_AUTH', 'x'],
    ['DOCKER_AUTH_CONFIG', '{}'],
    ['NPM_CONFIG__AUTHTOKEN', 'x'],
    ['INNOCENT', 'ghp_0123456789abcdefghij'],
    ['INNOCENT', 'AKIAIOSFODNN7EXAMPLE'],
    ['INNOCENT', 'AGE-SECRET-KEY-1QQQQ'],
    ['INNOCENT', '-----BEGIN OPENSSH PRIVATE KEY-----\nx'],
    ['INNOCENT', 'hf_abcdefghijklmnopqrstuvwxyz012345'],
    ['INNOCENT', 'hvs.CAESIJ0123456789abcdef'],
    ['DATABASE_URL', 'postgres://user:pw@host/db'],
  ])('safe drops %s=%s', (name, value) => {
    expect(kept(safe, name, value)).toBe(false)
    expect(kept({ ...safe, passEnv: [name] }, name, value)).toBe(true)
    expect(kept(all, name, value)).toBe(true)
  })

  test.each(['HOME', 'LOGNAME', 'PATH', 'SHELL', 'TERM', 'USER', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR'])(
    'minimal passes %s',
    (name) => {
      expect(kept(minimal, name)).toBe(true)
    },
  )

  test.each(['EDITOR', 'XDG_RUNTIME_DIR', 'GITHUB_TOKEN'])('minimal drops %s unless passEnv names it', (name) => {
    expect(kept(minimal, name)).toBe(false)
    expect(kept({ ...minimal, passEnv: [name] }, name)).toBe(true)
  })
})

test('the later goes over the earlier: client, launcher, env, secrets', () => {
  const client = { A: 'client', B: 'client', C: 'client', D: 'client' }
  const launcher = ['B', 'C', 'D'].map((name) => ({ name, value: 'launcher', why: '' }))
  const plain = { C: 'env', D: 'env' }
  const secrets = [{ name: 'D', value: new Secret('secret'), why: '' }]
  expect(built({ client, launcher, plain, secrets })).toEqual({ A: 'client', B: 'launcher', C: 'env', D: 'secret' })
})

const name = fc.oneof(
  fc.stringMatching(/^[A-Z_]{1,12}$/),
  fc.constantFrom('PATH', 'GITHUB_TOKEN', '__proto__', 'constructor'),
)
const environment = fc.dictionary(name, fc.string(), { noNullPrototype: false })
const merged = (...layers: Record<string, string>[]) =>
  new Map(layers.flatMap((layer) => Object.entries(layer)).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
const boxed = (secrets: Record<string, string>) =>
  Object.entries(secrets).map(([key, value]) => ({ name: key, value: new Secret(value), why: 'ref' }))

test('property: inheritEnv all is a plain merge', () => {
  fc.assert(
    fc.property(environment, environment, environment, (client, plain, secrets) => {
      const server = { inheritEnv: 'all', passEnv: [] } as const
      const result = buildEnvironment(planEnvironment(parts({ client, plain, secrets: boxed(secrets), server })))
      expect(new Map(Object.entries(result))).toEqual(merged(client, plain, secrets))
    }),
  )
})

test("property: safe and minimal decide on every variable once, and take nothing but what is the client's", () => {
  fc.assert(
    fc.property(
      environment,
      environment,
      environment,
      fc.constantFrom('safe', 'minimal'),
      (client, plain, secrets, inheritEnv) => {
        const server = { inheritEnv, passEnv: [] }
        const variables = planEnvironment(parts({ client, plain, secrets: boxed(secrets), server }))
        const whole = merged(client, plain, secrets)
        expect(variables.map((variable) => variable.name)).toEqual([...whole.keys()])
        const dropped = variables.filter(({ decision }) => decision === 'drop').map((variable) => variable.name)
        for (const key of dropped) whole.delete(key)
        expect(new Map(Object.entries(buildEnvironment(variables)))).toEqual(whole)
        expect(dropped.filter((key) => merged(plain, secrets).has(key))).toEqual([])
      },
    ),
  )
})
