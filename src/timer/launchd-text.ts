import { LaunchError } from '../errors.ts'
import type { Job } from './job.ts'
import { MARKER } from './marker.ts'

export const LABEL = 'dev.mcp-launch.refresh'

/**
 * The LaunchAgent, launchd.plist(5). It runs at each login and then every step, counted from there, which is spread
 * enough; what was missed in sleep is one run on waking up. There is no `OnFailure=`: launches and `secrets status` tell.
 *
 * @throws LaunchError `usage` for a path that XML can't hold.
 */
export function agentText({ argv, env, schedule }: Job): string {
  const words = argv.map((word) => `    <string>${xml(word)}</string>`).join('\n')
  const variables = Object.entries(env)
    .map(([name, value]) => `    <key>${name}</key>\n    <string>${xml(value)}</string>`)
    .join('\n')
  return `<?xml version="1.0" encoding="UTF-8"?>
<!-- ${MARKER}; mcp-launch timer remove takes it away -->
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>${LABEL}</string>
  <key>ProgramArguments</key>
  <array>
${words}
  </array>
  <key>EnvironmentVariables</key>
  <dict>
${variables}
  </dict>
  <key>RunAtLoad</key>
  <true/>
  <key>StartInterval</key>
  <integer>${schedule.stepMs / 1000}</integer>
  <key>ProcessType</key>
  <string>Background</string>
  <key>Nice</key>
  <integer>10</integer>
</dict>
</plist>
`
}

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' }

function xml(text: string): string {
  if (/\p{Cc}/u.test(text)) {
    throw new LaunchError('usage', {
      what: "can't write into a property list",
      subject: text,
      why: 'has a control character',
      hint: 'rename it',
    })
  }
  return text.replace(/[&<>]/g, (character) => ESCAPES[character] as string)
}
