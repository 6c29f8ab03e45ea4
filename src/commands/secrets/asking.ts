import { sourceName } from '../../check/sources.ts'
import type { LiveOutput } from '../../report/live-output.ts'
import type { Wanted } from '../../secrets/cache/policy.ts'
import { span } from '../../span.ts'
import type { World } from '../../world.ts'

const REDRAWN_MS = 1_000
/** More don't fit a line. */
const NAMED = 3

/** On a terminal, the line that says which sources are being asked, and for how long. */
export class Asking {
  readonly #world: World
  readonly #output: LiveOutput
  readonly #questions = new Set<{ readonly items: readonly Wanted[]; readonly since: number }>()
  #timer: NodeJS.Timeout | undefined

  constructor(world: World, output: LiveOutput) {
    this.#world = world
    this.#output = output
  }

  /** Returns what is to be called when there is an answer, or none will come. */
  readonly begin = (items: readonly Wanted[]): (() => void) => {
    if (!this.#output.isLive) return () => {}
    const question = { items, since: this.#world.now() }
    this.#questions.add(question)
    this.#timer ??= setInterval(this.#show, REDRAWN_MS)
    this.#show()
    return () => {
      this.#questions.delete(question)
      if (this.#questions.size === 0) this.#stop()
      this.#show()
    }
  }

  #stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  readonly #show = (): void => this.#output.doing(this.#text())

  #text(): string | undefined {
    const questions = [...this.#questions]
    if (questions.length === 0) return undefined
    const names = [...new Set(questions.flatMap(({ items }) => items.map(({ ref }) => sourceName(ref))))]
    const more = names.length > NAMED ? [`${names.length - NAMED} more`] : []
    const waited = this.#world.now() - Math.min(...questions.map(({ since }) => since))
    const time = waited < REDRAWN_MS ? '' : ` for ${span(waited)}`
    return `asking ${[...names.slice(0, NAMED), ...more].join(', ')}${time}`
  }
}
