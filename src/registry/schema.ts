import * as z from 'zod'
import { VARIABLE_NAME } from '../variable-name.ts'
import { isExecutableName } from './executable-name.ts'
import { launchOptions } from './schema-options.ts'
import {
  anyText,
  duration,
  environmentRef,
  NOT_A_REF,
  ref,
  refCommand,
  refText,
  someText,
  text,
} from './schema-values.ts'
import { words } from './words.ts'

/** Of 200 at most: a unit's name (`mcp-NAME-PID.scope`), like a file's, has room for 255. */
export const SERVER_NAME = /^[a-z0-9][a-z0-9._-]{0,199}$/

const detailedSecret = z
  .strictObject({
    from: ref.describe('Where the value is.'),
    as: z
      .enum(['env', 'file'])
      .default('env')
      .describe('env: the variable holds the value. file: it holds the path of a private file with the value.'),
    required: z
      .boolean()
      .default(true)
      .describe(
        "false: without a value for it the server starts all the same, with the client's variable of that name if there is one.",
      ),
    cache: z
      .union([z.boolean(), duration({ above: 0 })], {
        error: words('must be true, false or a time with a unit', 'write 30m or 4h'),
      })
      .optional()
      .describe('Whether the value is cached, or how long.'),
  })
  .describe('A reference, and how its value reaches the server.')

const secret = z
  .union([refText, refCommand, detailedSecret], { error: NOT_A_REF })
  .transform((value) => ('from' in value ? value : { from: value, as: 'env' as const, required: true }))

/** Names are checked in `rules.ts`: zod would not look at the value of a wrong name. */
const namedByVariables = { propertyNames: { pattern: VARIABLE_NAME.source } }

const server = z
  .strictObject({
    description: text.optional().describe('What the server is for; shown by mcp-launch list.'),
    enabled: z.boolean().default(true).describe('false: the server is not launched.'),
    command: someText
      .refine(
        isExecutableName,
        words('must be one executable, not a shell line', 'put the words after the first into args: [ … ]'),
      )
      .describe('One executable: a name that is looked up on the PATH, or a path. No shell reads it.'),
    args: z.array(anyText).default([]).describe('Its arguments, a list of words.'),
    env: z
      .record(z.string(), anyText)
      .default({})
      .meta({ ...namedByVariables, description: `Variables with plain values. ~ and \${NAME} are put in.` }),
    secrets: z
      .record(z.string(), secret)
      .default({})
      .meta({
        ...namedByVariables,
        description: 'Variables with secret values: where each value is, never the value.',
      }),
    environment: environmentRef
      .optional()
      .describe('All variables of a 1Password Environment, op-env:ID; those under secrets go over them.'),
    ...launchOptions,
  })
  .describe('An MCP server that is started as a program.')

const cache = z
  .strictObject({
    ttl: duration().prefault('4h').describe('How long a value is good; default 4h.'),
    stale: z
      .enum(['warn', 'silent', 'fail'])
      .default('warn')
      .describe('Whether an older value is used while its source is unavailable; default warn.'),
    maxStale: duration().prefault('7d').describe('How old such a value may be; default 7d.'),
    resolveTimeout: duration({ above: 0, timer: true })
      .prefault('4s')
      .describe('How long a launch waits for the sources of its secrets; default 4s.'),
  })
  .describe('How values from slow sources are kept.')

const onepassword = z
  .strictObject({
    token: ref
      .refine(({ kind }) => kind !== 'op', words('can not be in 1Password itself'))
      .optional()
      .describe('Where the service account token is; default env:OP_SERVICE_ACCOUNT_TOKEN.'),
  })
  .describe('1Password.')

/** The whole file, less the `x-…` keys of its top level. What stands in `describe` is what editors show. */
export const registrySchema = z
  .strictObject({
    $schema: z.string().optional().describe('The JSON Schema of this file, for editors.'),
    defaults: z.strictObject(launchOptions).default({}).describe('Launch options for all servers.'),
    onepassword: onepassword.prefault({}),
    cache: cache.prefault({}),
    servers: z
      .record(z.string(), server)
      .refine((servers) => Object.keys(servers).length > 0, words('has no server in it'))
      .meta({
        description: 'The servers by their names.',
        propertyNames: { pattern: SERVER_NAME.source },
        minProperties: 1,
      }),
  })
  .meta({
    title: 'mcp-launch registry',
    description: 'The MCP servers of a user, for mcp-launch.',
    patternProperties: { '^x-': { description: 'Yours: anchors, notes.' } },
  })

export type RegistryData = z.output<typeof registrySchema>
export type ServerData = RegistryData['servers'][string]
