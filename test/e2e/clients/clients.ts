import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { ROOT } from '../harness/root.ts'
import { runPrefix } from '../harness/temporary.ts'
import type { Unavailable } from '../harness/unavailable.ts'

/** A tiny client program and one way in which it starts servers; the comments in the programs say more. */
export interface ClientProgram {
  readonly language: 'Node' | 'Python' | 'Go' | 'Rust'
  readonly how: 'main' | 'worker' | 'thread' | 'pool'
}

export const CLIENT_PROGRAMS: readonly ClientProgram[] = [
  { language: 'Node', how: 'main' },
  { language: 'Node', how: 'worker' },
  { language: 'Python', how: 'main' },
  { language: 'Python', how: 'thread' },
  { language: 'Python', how: 'pool' },
  { language: 'Go', how: 'main' },
  { language: 'Go', how: 'thread' },
  { language: 'Rust', how: 'main' },
  { language: 'Rust', how: 'thread' },
]

/** The beginnings of the argvs of the client programs, compiled where that is needed; or why there is none. */
export type Compiled = Readonly<Record<ClientProgram['language'], readonly string[] | Unavailable>>

const SOURCES = join(ROOT, 'test', 'e2e', 'clients')

/** `directory` holds what was compiled, and is to be removed. */
export function compileClients(): { readonly directory: string; readonly compiled: Compiled } {
  const directory = mkdtempSync(join(tmpdir(), `${runPrefix()}clients-`))
  const python = ['/usr/bin/python3', onPath('python3')].find((path) => path !== undefined && existsSync(path))
  const compile = (tool: string, args: (output: string) => string[]): readonly string[] | Unavailable => {
    const file = onPath(tool)
    if (file === undefined) return { unavailable: `no ${tool} on the PATH` }
    const output = join(directory, tool)
    try {
      execFileSync(file, args(output), { cwd: directory, stdio: ['ignore', 'ignore', 'pipe'] })
      return [output]
    } catch (error) {
      return { unavailable: `${tool}: ${(error as { stderr?: Buffer }).stderr?.toString().trim().slice(0, 200)}` }
    }
  }
  return {
    directory,
    compiled: {
      Node: [process.execPath, join(SOURCES, 'node-client.mjs')],
      Python: python === undefined ? { unavailable: 'no python3' } : [python, join(SOURCES, 'python-client.py')],
      Go: compile('go', (output) => ['build', '-o', output, join(SOURCES, 'client.go')]),
      Rust: compile('rustc', (output) => ['-o', output, join(SOURCES, 'client.rs')]),
    },
  }
}

function onPath(name: string): string | undefined {
  return (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((directory) => join(directory, name))
    .find((path) => existsSync(path))
}
