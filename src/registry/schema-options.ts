import * as z from 'zod'
import { checked, checkedNumberOrText, duration, someText, variableName } from './schema-values.ts'
import { signalName } from './signals.ts'
import { isCpuQuota, isMemorySize, isSliceName, isTaskCount } from './systemd-values.ts'
import { words } from './words.ts'

const MEMORY = words('must be a memory size', 'write 512M, 2G, 50% or infinity')

const memory = (least: 0 | 1) => checkedNumberOrText((text) => isMemorySize(text, least), MEMORY)

export const limits = z
  .strictObject({
    memoryMax: memory(1).optional().describe('The server is killed above this: 512M, 2G, 50% or infinity.'),
    memoryHigh: memory(1).optional().describe('The server is slowed down above this: 512M, 2G, 50% or infinity.'),
    memorySwapMax: memory(0).optional().describe('The most swap the server may use: 0, 512M, 50% or infinity.'),
    cpuQuota: checkedNumberOrText(isCpuQuota, words('must be a percentage', 'write 100% for one whole processor'))
      .optional()
      .describe('Processor time, 100% for one processor.'),
    tasksMax: checkedNumberOrText(isTaskCount, words('must be a number of tasks', 'write 100, 10% or infinity'))
      .optional()
      .describe('The most processes and threads.'),
    runtimeMax: duration({ above: 0 }).optional().describe('The server is ended after this time: 30m, 8h.'),
  })
  .describe('Limits that systemd puts on the server and all that it starts (systemd.resource-control(5)).')

const deathSignal = z
  .string()
  .meta({ examples: ['auto', 'off', 'TERM', 'KILL'] })
  .transform((value, context) => {
    if (value === 'auto' || value === 'off') return value
    const name = signalName(value)
    if (name !== undefined) return name
    context.addIssue({ code: 'custom', message: words('must be auto, off or a signal', 'write TERM or KILL') })
    return z.NEVER
  })

/** What `defaults` and every server take: how to launch, and not what. */
export const launchOptions = {
  cwd: someText
    .optional()
    .describe(`The working directory; the client's own if there is none. ~ and \${NAME} are put in.`),
  path: z
    .array(someText)
    .optional()
    .describe("Directories searched before the client's PATH, and put before it for the server."),
  inheritEnv: z
    .enum(['safe', 'all', 'minimal'])
    .optional()
    .describe(
      "What of the client's environment the server gets: safe (default) leaves out the launcher's and other programs' credentials, minimal all but a few basic variables.",
    ),
  passEnv: z
    .array(variableName)
    .optional()
    .describe("Variables of the client's environment that the server gets whatever inheritEnv says."),
  limits: limits.optional(),
  slice: checked(isSliceName, words('is no name of a systemd slice', 'write mcp-servers.slice'))
    .optional()
    .describe('The systemd slice that the scope lies in; default mcp-servers.slice.'),
  scope: z
    .enum(['auto', 'require', 'off'])
    .optional()
    .describe('A systemd scope of its own: auto (default) where systemd is there, require, or off.'),
  deathSignal: deathSignal
    .optional()
    .describe('The signal the server gets when the client dies: auto (default), off, or a name such as TERM.'),
  stopTimeout: duration({ timer: true })
    .optional()
    .describe('How long the server may take to end before it is killed; default 5s.'),
  logs: z
    .enum(['off', 'file', 'journal'])
    .optional()
    .describe(
      "Where the server's stderr goes besides the client: off (default), a file of its own (10 MiB at most), or the journal.",
    ),
}
