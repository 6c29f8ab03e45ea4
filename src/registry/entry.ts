import type { OpEnvRef, Ref } from '../secrets/ref.ts'

/**
 * One server of the registry after defaults are merged in and everything is checked, with nothing expanded yet:
 * `~` and `${NAME}` depend on the launch. It is plain data: the compiled registry keeps it as JSON.
 */
export interface ServerEntry {
  readonly name: string
  readonly description?: string
  readonly enabled: boolean
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly secrets: Readonly<Record<string, SecretSpec>>
  /** A 1Password Environment, whose variables are the server's; `secrets` go over them. */
  readonly environment?: OpEnvRef
  readonly cwd?: string
  readonly path: readonly string[]
  readonly inheritEnv: 'safe' | 'all' | 'minimal'
  readonly passEnv: readonly string[]
  readonly limits: Limits
  readonly slice: string
  readonly scope: 'auto' | 'require' | 'off'
  /** `auto`, `off`, or a signal's name without `SIG` (`TERM`, `KILL`, …). */
  readonly deathSignal: string
  /** Milliseconds between SIGTERM and SIGKILL when the scope is stopped. */
  readonly stopTimeoutMs: number
  /** Where the server's stderr goes besides the client. */
  readonly logs: 'off' | 'file' | 'journal'
}

export interface SecretSpec {
  readonly from: Ref
  readonly as: 'env' | 'file'
  /** False: without a value the server starts all the same, with the client's variable of that name if there is one. */
  readonly required: boolean
  /** True and false override the source's habit; a number is a time to live in milliseconds. */
  readonly cache?: boolean | number
}

/** Values as systemd takes them. */
export interface Limits {
  readonly memoryMax?: string
  readonly memoryHigh?: string
  readonly memorySwapMax?: string
  readonly cpuQuota?: string
  readonly tasksMax?: string
  /** Milliseconds after which systemd ends the server. */
  readonly runtimeMaxMs?: number
}

/** What holds for the whole registry. */
export interface Settings {
  readonly onepassword: { readonly token: Ref }
  readonly cache: {
    readonly ttlMs: number
    readonly stale: 'warn' | 'silent' | 'fail'
    readonly maxStaleMs: number
    readonly resolveTimeoutMs: number
  }
}

/** All that a launch needs to know of the registry. */
export interface Registered {
  /** The registry file, absolute. References to files are relative to its directory. */
  readonly registryPath: string
  readonly server: ServerEntry
  readonly settings: Settings
}
