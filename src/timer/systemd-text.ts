import type { Job } from './job.ts'
import { MARKER } from './marker.ts'
import { calendar } from './schedule.ts'

const NAME = 'mcp-launch-refresh'
export const TIMER = `${NAME}.timer`
export const SERVICE = `${NAME}.service`
export const FAILED = `${NAME}-failed.service`

const TOP = `# ${MARKER}; mcp-launch timer remove takes it away`

/** Longer than a refresh lets itself take: a minute for another one's end, and a minute for its own. */
const START_LIMIT = '3min'

/**
 * The units by their file names; systemd.timer(5), systemd.service(5), systemd.unit(5).
 *
 * - The timer is one of the calendar, since `Persistent=` works with `OnCalendar=` alone: a run that was missed, while
 *   the machine was off or nobody logged in, is made up for at the next login. After a login without a missed run the
 *   values are younger than a step, and nothing has to be done.
 * - Exit status 75 (a source is unavailable for now) isn't a failure: offline is no news, launches have the old values
 *   meanwhile, and they say so. What fails for good is told at most once a day.
 */
export function unitTexts(job: Job): Readonly<Record<typeof TIMER | typeof SERVICE | typeof FAILED, string>> {
  return { [SERVICE]: serviceText(job), [TIMER]: timerText(job), [FAILED]: failedText(job) }
}

function timerText({ schedule }: Job): string {
  return `${TOP}
[Unit]
Description=Refresh the secrets of MCP servers before they expire

[Timer]
OnCalendar=${calendar(schedule)}
RandomizedDelaySec=${schedule.spreadMs / 1000}s
FixedRandomDelay=true
Persistent=true

[Install]
WantedBy=timers.target
`
}

function serviceText({ argv, env }: Job): string {
  return `${TOP}
[Unit]
Description=Refresh the secrets of MCP servers
OnFailure=${FAILED}

[Service]
Type=oneshot
ExecStart=${commandLine(argv)}
${environment(env)}
SuccessExitStatus=75
Nice=10
TimeoutStartSec=${START_LIMIT}
`
}

const SUMMARY = "the secrets of MCP servers can't be refreshed"
const ADVICE = 'mcp-launch secrets status says which and why'

/** Looks for notify-send on the PATH of the time of install; without a desktop the journal has the sentence. */
function failedText({ env }: Job): string {
  const notify = `notify-send --app-name=mcp-launch "${SUMMARY}" "${ADVICE}"`
  const script = `echo "${SUMMARY}: ${ADVICE}"; ! command -v notify-send >/dev/null || ${notify} || true`
  return `${TOP}
[Unit]
Description=Tell that the secrets of MCP servers can't be refreshed
StartLimitIntervalSec=1d
StartLimitBurst=1

[Service]
Type=oneshot
ExecStart=${commandLine(['/bin/sh', '-c', script])}
${environment(env)}
TimeoutStartSec=30s
`
}

function environment(env: Job['env']): string {
  return Object.entries(env)
    .map(([name, value]) => `Environment=${quoted(`${name}=${value}`)}`)
    .join('\n')
}

/** What systemd takes for a program without a second thought: it refuses quotes, backslashes and control characters. */
const PLAIN_PROGRAM = /^[^"'\\$\p{Cc}]+$/u

/** An `ExecStart=` that runs exactly these words. */
export function commandLine([program, ...args]: Job['argv']): string {
  if (PLAIN_PROGRAM.test(program)) return [quoted(program), ...args.map(argument)].join(' ')
  return ['/bin/sh', ...['-c', 'exec "$@"', 'sh', program, ...args].map(argument)].join(' ')
}

/** Variables are put into arguments, and into these alone. */
function argument(text: string): string {
  return quoted(text).replace(/\$/g, '$$$$')
}

/** One word, with the escapes of systemd.syntax(7) and without specifiers. */
function quoted(text: string): string {
  const escaped = text
    .replace(/["\\]/g, '\\$&')
    .replace(/\p{Cc}/gu, escapedControl)
    .replace(/%/g, '%%')
  return `"${escaped}"`
}

/** `\x` makes a byte, and so stands for ASCII alone; what is above needs no escape. */
function escapedControl(control: string): string {
  const code = control.charCodeAt(0)
  return code > 0x7f ? control : `\\x${code.toString(16).padStart(2, '0')}`
}
