import { join } from 'node:path'
import { expect, test } from 'vitest'
import { sentence } from '../../src/check/finding.ts'
import { checkLogs } from '../../src/check/logs.ts'
import { realWorld } from '../../src/real-world.ts'
import { parseRegistry } from '../../src/registry/load.ts'
import { testWorld } from '../world.ts'

/** What is found on a machine that has these files. */
function findings(files: readonly string[], logs: string): string[] {
  const real = realWorld()
  const stat = real.files.stat(process.execPath)
  const world = testWorld({
    env: { PATH: '/usr/bin' },
    files: { ...real.files, stat: (path) => (files.includes(path) ? stat : undefined), isExecutable: () => true },
  })
  const registry = parseRegistry(Buffer.from(JSON.stringify({ servers: { it: { command: 'it', logs } } })), '/r.json')
  const found: string[] = []
  checkLogs(world, [...registry.servers.values()], (finding) => found.push(sentence(finding)))
  return found
}

const PROGRAMS = ['mkfifo', 'tee', 'systemd-cat'].map((name) => join('/usr/bin', name))
const SOCKET = '/run/systemd/journal/stdout'

test.each([
  ['journal', [...PROGRAMS, SOCKET], []],
  ['journal', PROGRAMS, [`no log of server "it": no journal listens here (${SOCKET})`]],
  ['journal', PROGRAMS.slice(0, 2), ['no log of server "it": there is no systemd-cat on the PATH']],
  ['file', PROGRAMS.slice(0, 2), []],
  ['file', PROGRAMS.slice(1), ['no log of server "it": there is no mkfifo on the PATH']],
  ['off', [], []],
])('logs: %s with %j', (logs, files, found) => {
  expect(findings(files, logs)).toEqual(found)
})
