import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** A directory of the running test's own, 0700, removed at its end. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), `mcp-launch-test-${process.pid}-`))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}
