import { mkdirSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { check } from '../../src/commands/check.ts'
import { ERASE } from '../../src/report/live-output.ts'
import { temporaryDirectory } from '../temporary.ts'
import { testWorld } from '../world.ts'

async function output(stdoutIsTerminal: boolean, json = false): Promise<string> {
  const home = temporaryDirectory()
  mkdirSync(`${home}/.config/mcp`, { recursive: true, mode: 0o700 })
  writeFileSync(`${home}/.config/mcp/servers.yaml`, 'servers: { it: { command: it, enabled: false } }', { mode: 0o600 })
  const real = testWorld()
  const written: string[] = []
  const terminal = { ...real.terminal, stdoutIsTerminal, writeOut: (text: string) => void written.push(text) }
  await check({ ...real, env: { HOME: home, PATH: '/usr/bin:/bin' }, terminal }, [], { json })
  return written.join('').replaceAll(home, '~')
}

/** What is left on the screen: a line that is erased was never there. */
function screen(written: string): string {
  return written
    .split('\n')
    .map((line) => line.split(ERASE).at(-1))
    .join('\n')
}

test('on a terminal one line tells what is being done, and nothing of it stays', async () => {
  const [plain, live] = [await output(false), await output(true)]
  expect(plain).not.toContain('\u001b')
  expect(plain).toContain('ok       registry     registry "~/.config/mcp/servers.yaml": 1 server, 1 switched off\n')
  expect(live).toContain(`${ERASE}checking the registry …`)
  expect(live).toContain(`${ERASE}checking systemd …`)
  expect(screen(live)).toBe(plain)
})

test('--json is JSON on a terminal too', async () => {
  expect(JSON.parse(await output(true, true))).toMatchObject({ exitCode: 0 })
})
