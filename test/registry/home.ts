import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LaunchError, LaunchErrors } from '../../src/errors.ts'
import type { World } from '../../src/world.ts'
import { temporaryDirectory } from '../temporary.ts'
import { testWorld } from '../world.ts'

/** A home directory of the test's own, gone at its end. */
export interface Home {
  readonly directory: string
  readonly world: World
  /** Writes a file below the home directory and returns its path. */
  write(path: string, content: string | Uint8Array, mode?: number): string
}

export function temporaryHome(env: Record<string, string> = {}): Home {
  const directory = temporaryDirectory()
  return {
    directory,
    world: testWorld({ env: { HOME: directory, ...env }, cwd: directory }),
    write(path, content, mode = 0o600) {
      const file = join(directory, path)
      mkdirSync(join(file, '..'), { recursive: true, mode: 0o700 })
      writeFileSync(file, content, { mode })
      return file
    },
  }
}

/** What a user would read, one line an error, hints after an arrow. */
export function complaints(call: () => unknown): string[] {
  try {
    call()
  } catch (error) {
    return linesOf(error)
  }
  return []
}

export function complaintsOf(promise: Promise<unknown>): Promise<string[]> {
  return promise.then(() => [], linesOf)
}

function linesOf(error: unknown): string[] {
  if (error instanceof LaunchErrors) return error.errors.flatMap(linesOf)
  if (!(error instanceof LaunchError)) throw error
  if (error.exitCode !== 2) return [`exit ${error.exitCode}: ${error.message}`]
  return [error.hint === undefined ? error.message : `${error.message} -> ${error.hint}`]
}
