import { isKnownToken } from '../known-tokens.ts'

/*
 * Which of the client's variables look like credentials. A server gets its own through `secrets`; everybody else's
 * (the cloud account, the database, the forge of the person who started the editor) are no business of it.
 */

/** The launcher's own: what opens the user's secret stores, and its settings. */
export function isLaunchersOwn(name: string): boolean {
  return /^(OP_(SERVICE_ACCOUNT_TOKEN|CONNECT_TOKEN|SESSION_.*)|SOPS_AGE_.*|MCP_LAUNCH_.*)$/.test(name)
}

const CREDENTIAL_WORDS =
  'TOKEN|SECRET|SECRETS|PASSWORD|PASSWD|PASSPHRASE|PASS|PGPASSWORD|SSHPASS|PWD|PAT|APIKEY|AUTHORIZATION|AUTHTOKEN|CREDENTIAL|CREDENTIALS|COOKIE|BEARER|JWT|DSN'

/** `PWD` alone is the working directory; `X_PWD` is a password. */
const CREDENTIAL_NAME = new RegExp(
  `(^|_)(${CREDENTIAL_WORDS})(_|$)|_KEY(_ID|_BASE64|_PEM)?$|_AUTH$|_AUTH_CONFIG$|^(KEY|API_KEY_.*)$`,
  'i',
)

/** Names that match and hold no credential. */
const HARMLESS_NAME =
  /^(PWD|OLDPWD|GPG_TTY|PASSWORD_STORE_.*|.*_PROXY|.*_ASKPASS|.*_AUTH_SOCK|.*_TOKEN_(LIMIT|COUNT|BUDGET))$/i

const JSON_WEB_TOKEN = /^eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+$/
const URL_WITH_PASSWORD = /^[a-z][a-z0-9+.-]*:\/\/[^/?#\s:@]*:[^/?#\s@]+@/i

/** Whether a variable of the client looks like a credential, by its name or by the form of its value. */
export function looksLikeCredential(name: string, value: string): boolean {
  if (HARMLESS_NAME.test(name)) return false
  if (CREDENTIAL_NAME.test(name) || isKnownToken(value)) return true
  return JSON_WEB_TOKEN.test(value) || URL_WITH_PASSWORD.test(value)
}
