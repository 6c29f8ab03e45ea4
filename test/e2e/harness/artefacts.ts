import { join } from 'node:path'
import { runtimes } from './provided.ts'
import { ROOT } from './root.ts'
import type { Unavailable } from './unavailable.ts'

/** One way to run the launcher. */
export interface Artefact {
  /** Reads well as the name of a group of tests. */
  readonly name: string
  /** The beginning of its argv. */
  readonly argv: readonly string[]
  /** What `npm run build` must have made. */
  readonly file: string
}

const BUNDLE = join(ROOT, 'dist', 'mcp-launch.cjs')
const EXECUTABLE = join(ROOT, 'dist', 'mcp-launch')

/** The native executable. */
export const executable: Artefact = { name: 'executable', argv: [EXECUTABLE], file: EXECUTABLE }

/** The bundle on the Node that the tests run on, the project's own. */
export const bundle: Artefact = bundleOn('current node', process.execPath)

/** What users can get, for `describe.each(artefacts)`; without the oldest Node where that can't be had. */
export const artefacts: readonly Artefact[] = [executable, bundle, ...onOldestNode()]

/** The bundle on another Node. */
export function bundleOn(name: string, node: string): Artefact {
  return { name: `bundle on ${name}`, argv: [node, BUNDLE], file: BUNDLE }
}

/** The bundle on a Node without `process.execve`; `unavailable` where that Node can't be had. */
export function bundleWithoutExecve(): Artefact | Unavailable {
  const { withoutExecve } = runtimes()
  return 'unavailable' in withoutExecve ? withoutExecve : bundleOn('a node without execve', withoutExecve.node)
}

function onOldestNode(): Artefact[] {
  const { oldest } = runtimes()
  return 'node' in oldest ? [bundleOn('oldest node', oldest.node)] : []
}
