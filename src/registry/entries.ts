import { parseRef } from '../secrets/parse-ref.ts'
import { DEFAULT_TOKEN } from '../secrets/ref.ts'
import type { Limits, SecretSpec, ServerEntry, Settings } from './entry.ts'
import type { RegistryData, ServerData } from './schema.ts'

type Options = RegistryData['defaults']

/** What holds where neither a server nor the defaults say anything. */
const BUILT_IN = {
  inheritEnv: 'safe',
  slice: 'mcp-servers.slice',
  scope: 'auto',
  deathSignal: 'auto',
  stopTimeout: 5_000,
  logs: 'off',
} as const

/** The servers with the defaults in place: a server's option takes their place, `limits` one by one. */
export function serverEntries({ servers, defaults }: RegistryData): Map<string, ServerEntry> {
  return new Map(Object.entries(servers).map(([name, server]) => [name, serverEntry(name, server, defaults)]))
}

function serverEntry(name: string, server: ServerData, defaults: Options): ServerEntry {
  const options = { ...BUILT_IN, ...defined(defaults), ...defined(server) }
  const { description, cwd } = options
  return {
    name,
    ...defined({ description, cwd, environment: server.environment }),
    enabled: server.enabled,
    command: server.command,
    args: server.args,
    env: server.env,
    secrets: Object.fromEntries(Object.entries(server.secrets).map(([key, secret]) => [key, secretSpec(secret)])),
    path: options.path ?? [],
    inheritEnv: options.inheritEnv,
    passEnv: options.passEnv ?? [],
    limits: limits({ ...defined(defaults.limits ?? {}), ...defined(server.limits ?? {}) }),
    slice: options.slice,
    scope: options.scope,
    deathSignal: options.deathSignal,
    stopTimeoutMs: options.stopTimeout,
    logs: options.logs,
  }
}

function secretSpec(secret: ServerData['secrets'][string]): SecretSpec {
  const { from, as, required } = secret
  return { from, as, required, ...('cache' in secret ? defined({ cache: secret.cache }) : {}) }
}

function limits({ runtimeMax, ...sizes }: Defined<NonNullable<Options['limits']>>): Limits {
  return { ...sizes, ...defined({ runtimeMaxMs: runtimeMax }) }
}

export function settingsOf({ onepassword, cache }: RegistryData): Settings {
  return {
    onepassword: { token: onepassword.token ?? parseRef(`env:${DEFAULT_TOKEN}`) },
    cache: {
      ttlMs: cache.ttl,
      stale: cache.stale,
      maxStaleMs: cache.maxStale,
      resolveTimeoutMs: cache.resolveTimeout,
    },
  }
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> }

/** Without the keys that are undefined: JSON has none, and `{ ...a, ...b }` would let them win. */
function defined<T extends object>(object: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as never
}
