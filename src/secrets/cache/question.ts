import type { World } from '../../world.ts'
import type { Ref } from '../ref.ts'
import type { Places } from './places.ts'

/** As much of a `Wanted` as is known without its registry. */
interface Named {
  readonly ref: Pick<Ref, 'kind'>
  readonly key: string
  readonly source?: string | undefined
}

/**
 * What is asked together, by one process at a time: all references to a 1Password account are one question, each
 * command is its own. A source that doesn't answer holds up nobody who asks another one.
 */
export function questionOf({ ref, key, source }: Named): string {
  if (ref.kind === 'command' || ref.kind === 'op-env') return key
  return source ?? ref.kind
}

/** The lock of whoever asks this question. */
export function questionLock(world: World, { directory }: Places, question: string): string {
  return `${directory}/fetch-${world.sha256(question).slice(0, 16)}.lock`
}

/** The locks of all questions that are being asked, or were when their asker was killed. */
export function questionLocks(world: World, { directory }: Places): string[] {
  return world.files
    .list(directory)
    .filter((name) => /^fetch-[0-9a-f]{16}\.lock$/.test(name))
    .map((name) => `${directory}/${name}`)
}
