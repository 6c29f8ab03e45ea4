import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { crontabLine } from '../../src/timer/crontab-text.ts'
import { agentText } from '../../src/timer/launchd-text.ts'
import { isMarked } from '../../src/timer/marker.ts'
import { commandLine, unitTexts } from '../../src/timer/systemd-text.ts'
import { job } from './job.ts'

describe('systemd units', () => {
  test('the three of them', () => {
    const texts = unitTexts(job({ env: { HOME: '/home/me' } }))
    expect(
      texts['mcp-launch-refresh.timer'],
    ).toBe(`# made by mcp-launch timer install; mcp-launch timer remove takes it away
[Unit]
Description=Refresh the secrets of MCP servers before they expire

[Timer]
OnCalendar=*-*-* 00/3:00:00
RandomizedDelaySec=300s
FixedRandomDelay=true
Persistent=true

[Install]
WantedBy=timers.target
`)
    expect(
      texts['mcp-launch-refresh.service'],
    ).toBe(`# made by mcp-launch timer install; mcp-launch timer remove takes it away
[Unit]
Description=Refresh the secrets of MCP servers
OnFailure=mcp-launch-refresh-failed.service

[Service]
Type=oneshot
ExecStart="/usr/bin/mcp-launch" "secrets" "refresh"
Environment="HOME=/home/me"
SuccessExitStatus=75
Nice=10
TimeoutStartSec=3min
`)
    expect(texts['mcp-launch-refresh-failed.service']).toContain('notify-send')
    expect(Object.values(texts).every(isMarked)).toBe(true)
  })

  test.each([
    ['/a b', '%h', '"/a b" "%%h"'],
    ['/a', '$HOME $(X)', '"/a" "$$HOME $$(X)"'],
    ['/100%', 'a"b', '"/100%%" "a\\"b"'],
    ['/a', 'back\\slash', '"/a" "back\\\\slash"'],
    ['/a', 'two\nlines\tand\u007f', '"/a" "two\\x0alines\\x09and\\x7f"'],
    ['/a', 'ä…\u0085', '"/a" "ä…\u0085"'],
    ['/a', '', '"/a" ""'],
    // systemd refuses such a program, however it is quoted.
    ['/a"b', 'c', '/bin/sh "-c" "exec \\"$$@\\"" "sh" "/a\\"b" "c"'],
    ['/a$b', 'c', '/bin/sh "-c" "exec \\"$$@\\"" "sh" "/a$$b" "c"'],
  ])('%j %j', (program, word, line) => {
    expect(commandLine([program, word])).toBe(line)
  })

  test('no text of anybody’s makes a second line', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (word, value) => {
        const plain = unitTexts(job())['mcp-launch-refresh.service']
        const text = unitTexts(job({ argv: ['/a', word], env: { HOME: '/h', PATH: value } }))
        expect(text['mcp-launch-refresh.service'].split('\n')).toHaveLength(plain.split('\n').length)
      }),
    )
  })
})

describe('the LaunchAgent', () => {
  test('hostile text stays text', () => {
    const text = agentText(job({ argv: ['/a & <b>', ']]>'], env: { HOME: '/h"\'' } }))
    expect(text).toContain('<string>/a &amp; &lt;b&gt;</string>')
    expect(text).toContain('<string>]]&gt;</string>')
    expect(text).toContain('<key>HOME</key>\n    <string>/h"\'</string>')
    expect(text).toContain('<key>StartInterval</key>\n  <integer>10800</integer>')
    expect(isMarked(text)).toBe(true)
  })

  test('what XML can’t hold is refused', () => {
    expect(() => agentText(job({ argv: ['/a\u0001'] }))).toThrow("can't write into a property list")
  })
})

describe('the line for a crontab', () => {
  test('as people would write it', () => {
    expect(crontabLine(job(), 17)).toBe(
      '17 0-23/3 * * * HOME=/home/me PATH=/usr/bin /usr/bin/mcp-launch secrets refresh >/dev/null',
    )
  })

  test('the shell gives back every word, and cron has nothing to take away', () => {
    const word = fc.string({ unit: 'grapheme' }).filter((text) => !/[\r\n\0%\\]/.test(text))
    fc.assert(
      fc.property(fc.array(word, { maxLength: 4 }), word, (words, value) => {
        const argv = ['/bin/sh', '-c', 'printf "%s|" "$V" "$@" >&2', 'sh', ...words] as const
        const line = crontabLine(job({ argv: ['/bin/sh', 'PRINT', ...words], env: { V: value } }), 0)
        expect(line).not.toMatch(/[%\\\n]/)
        const command = line.split(' ').slice(5).join(' ').replace(' PRINT', ` -c '${argv[2]}' sh`)
        const { stderr } = spawnSync('/bin/sh', ['-c', command], { encoding: 'utf8' })
        expect(stderr).toBe([value, ...words].map((one) => `${one}|`).join(''))
      }),
      { numRuns: 40, examples: [[["it's", '$HOME `id`', '"', '-'], '/a b:/c']] },
    )
  })

  test.each(['/a\nb', '/100%', '/a\\b'])('refused: %j', (path) => {
    expect(() => crontabLine(job({ env: { HOME: path } }), 0)).toThrow("can't write into a crontab")
    expect(() => crontabLine(job({ argv: [path] }), 0)).toThrow("can't write into a crontab")
  })
})
