import type { Environment } from '../world.ts'

const PROXIES = ['HTTPS_PROXY', 'HTTP_PROXY', 'ALL_PROXY', 'NO_PROXY'].flatMap((name) => [name, name.toLowerCase()])
const CERTIFICATES = ['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'SSL_CERT_DIR']

/** The variables without which some networks let nobody out: they are copied, unless there is a password in one. */
export function networkVariables(env: Environment): [string, string][] {
  const wanted: [names: readonly string[], isFit: (value: string) => boolean][] = [
    [PROXIES, (value) => value !== '' && !hasPassword(value)],
    [['NODE_USE_ENV_PROXY'], (value) => value === '1'],
    [CERTIFICATES, (value) => value.startsWith('/')],
  ]
  return wanted.flatMap(([names, isFit]) =>
    names.flatMap((name): [string, string][] => {
      const value = env[name]
      return value !== undefined && isFit(value) ? [[name, value]] : []
    }),
  )
}

/** Names those that can't be copied. */
export function proxiesWithPassword(env: Environment): string[] {
  return PROXIES.filter((name) => hasPassword(env[name] ?? ''))
}

/** `http://user:password@host`; the scheme is often left out. */
function hasPassword(url: string): boolean {
  return url.includes('@')
}
