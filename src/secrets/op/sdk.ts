import { VERSION } from '../../build.ts'
import type { Environment } from '../../world.ts'
import { SourceError } from '../source.ts'
import { type Connect, TypedFailure } from './connection.ts'

/**
 * The real SDK. It is loaded by the first call: its WebAssembly is 14 MB and takes 50 ms.
 * It asks through the global `fetch`, which on Bun heeds `HTTPS_PROXY`; on Node see {@link heedProxy}.
 */
export function sdkConnect(env: Environment): Connect {
  return async (token) => {
    heedProxy(env)
    const sdk = await import('@1password/sdk')
    const typed = async <T>(promise: Promise<T>): Promise<T> => {
      try {
        return await promise
      } catch (error) {
        if (error instanceof sdk.RateLimitExceededError) throw new TypedFailure('rate-limited')
        if (error instanceof sdk.AuthExpiredError) throw new TypedFailure('session-ended')
        if (error instanceof sdk.DesktopSessionExpiredError) throw new TypedFailure('session-ended')
        throw error
      }
    }
    const client = await typed(
      sdk.createClient({ auth: token, integrationName: 'mcp-launch', integrationVersion: VERSION }),
    )
    return {
      resolveAll: (refs) => typed(client.secrets.resolveAll(refs)),
      environment: async (id) => (await typed(client.environments.getVariables(id))).variables,
    }
  }
}

const PROXY = ['https_proxy', 'HTTPS_PROXY', 'http_proxy', 'HTTP_PROXY'] as const

/**
 * Node's `fetch` goes past `HTTPS_PROXY` unless it is told by `NODE_USE_ENV_PROXY=1` or, on newer Nodes, by this call
 * (https://nodejs.org/api/http.html#httpsetglobalproxyfromenvproxyenv). Bun's heeds it by itself.
 */
function heedProxy(env: Environment): void {
  if (!PROXY.some((name) => env[name])) return
  const http = process.getBuiltinModule('node:http') as { setGlobalProxyFromEnv?: (env: Environment) => unknown }
  try {
    http.setGlobalProxyFromEnv?.(env)
  } catch {
    // Node's own message has the address in it, with its password.
    const fault = {
      what: "can't reach 1password",
      why: 'what HTTPS_PROXY or HTTP_PROXY holds is no address of a proxy',
      hint: 'write it as http://host:port',
    }
    throw new SourceError('unavailable', fault, 'asker')
  }
}
