import type { Terminal } from '../world.ts'
import { oneLine } from './messages.ts'

/** Takes away the line that the cursor is in. */
export const ERASE = '\r\u001b[K'

/** As much as fits the line of most terminals: what is longer can't be taken away. */
const WIDTH = 79

/** What a command prints and, on a terminal, a last line that says what it does, which is written over. */
export class LiveOutput {
  readonly isLive: boolean
  readonly #terminal: Terminal
  #doing = ''

  constructor(terminal: Terminal) {
    this.isLive = terminal.stdoutIsTerminal
    this.#terminal = terminal
  }

  /** Whole lines. */
  write(text: string): void {
    this.#terminal.writeOut(`${this.isLive ? ERASE : ''}${text}${this.#doing}`)
  }

  /** What is being done now; undefined takes the line away. */
  doing(what: string | undefined): void {
    if (!this.isLive) return
    this.#doing = what === undefined ? '' : shortened(`${oneLine(what)} …`)
    this.#terminal.writeOut(`${ERASE}${this.#doing}`)
  }
}

function shortened(line: string): string {
  return line.length > WIDTH ? `${line.slice(0, WIDTH - 1)}…` : line
}
