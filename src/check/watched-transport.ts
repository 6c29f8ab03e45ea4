import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { STDIO_DEFAULT_MAX_BUFFER_SIZE } from '@modelcontextprotocol/sdk/shared/stdio.js'
import type { Call, Conversation } from './mcp-client.ts'

/** What is used of the child process that the SDK keeps to itself. */
interface Child {
  readonly pid?: number
  readonly exitCode: number | null
  readonly signalCode: string | null
  readonly stdout: Stream
  readonly stderr: Stream
  kill(signal?: string): boolean
  once(event: 'exit', listener: (code: number | null, signal: string | null) => void): void
}

interface Stream {
  on(event: 'data', listener: (chunk: Buffer) => void): void
  on(event: 'end', listener: () => void): void
  destroy(): void
}

/** What is left in a pipe is read in that time after the process has ended; a grandchild may hold it open for ever. */
const LAST_WORDS_MS = 500
/** The SDK kills after four seconds. */
const END_LIMIT_MS = 10_000
const KEPT_STDERR = 16_384
const KEPT_LINE = 4_096
/** More of what is no message is no banner. */
const MOST_STRAY = { lines: 10_000, bytes: 1024 * 1024 }
/** What the SDK's clients take by default; here it is given more, so that the reason for the end is known. */
const LARGEST_MESSAGE_BYTES = STDIO_DEFAULT_MAX_BUFFER_SIZE

/** The SDK's own transport, so that a server is started, talked to and ended as by its clients; and what it knows. */
export class WatchedTransport extends StdioClientTransport {
  /** Rejects when the process has ended. */
  readonly gone: Promise<never>
  /** The protocol version that both agreed on. */
  protocol: string | undefined
  startedPid: number | undefined

  readonly #beforeEnd: (pid: number) => void
  readonly #late: () => void
  readonly #deadline: number
  readonly #exit: Promise<Conversation['end']>
  #onExit: (end: Conversation['end']) => void = () => {}
  #onGone: (error: Error) => void = () => {}
  #child: Child | undefined
  #endedBy: Conversation['endedBy'] = 'itself'
  #stderr = ''
  #line = ''
  #lineBytes = 0
  #strayLines = 0
  #strayBytes = 0
  #firstStray = ''
  #isFlooded = false
  #isSilent = false

  /** @param late called when the limit has passed: while data pours in, Bun calls no timer. */
  constructor({ argv: [command, ...args], env, cwd, beforeEnd, limitMs }: Call, late: () => void) {
    super({ command, args, env: { ...env }, cwd, stderr: 'pipe', maxBufferSize: 2 * LARGEST_MESSAGE_BYTES })
    this.#beforeEnd = beforeEnd
    this.#late = late
    this.#deadline = performance.now() + limitMs
    this.#exit = new Promise((resolve) => {
      this.#onExit = resolve
    })
    this.gone = new Promise((_, reject) => {
      this.#onGone = reject
    })
    this.gone.catch(() => {})
    this.stderr?.on('data', (chunk: Buffer) => {
      this.#stderr = `${this.#stderr}${chunk}`.slice(-KEPT_STDERR)
      this.#watchClock()
    })
  }

  override async start(): Promise<void> {
    await super.start()
    const child = (this as unknown as { _process?: Child })._process
    if (child === undefined) return
    this.#child = child
    this.startedPid = child.pid
    child.stdout.on('data', (chunk) => {
      this.#watchOutput(chunk)
      this.#watchClock()
    })
    // The end of its output is seen before the end of the process.
    child.stdout.on('end', () => setTimeout(() => this.#fallSilent(), LAST_WORDS_MS).unref())
    const kill = child.kill.bind(child)
    child.kill = (signal) => {
      if (this.#isAlive()) this.#endedBy = signal === 'SIGKILL' ? 'SIGKILL' : 'SIGTERM'
      return kill(signal)
    }
    child.once('exit', (code, signal) => {
      this.#onExit({ code, signal })
      setTimeout(() => this.#onGone(new Error('it ended')), LAST_WORDS_MS).unref()
    })
  }

  /** Called by the SDK after the handshake. */
  setProtocolVersion(version: string): void {
    this.protocol = version
  }

  override async close(): Promise<void> {
    if (this.#endedBy === 'itself' && this.#isAlive()) {
      this.#endedBy = 'end of input'
      if (this.startedPid !== undefined) this.#beforeEnd(this.startedPid)
    }
    await super.close()
  }

  /** Why a conversation broke off that wasn't too late. */
  async failureKind(): Promise<'not started' | 'ended' | 'refused' | 'silent' | 'flooded'> {
    if (this.#child === undefined) return 'not started'
    if (this.#isFlooded) return 'flooded'
    if (this.#isSilent) return 'silent'
    if (this.#endedBy === 'itself') await Promise.race([this.#exit, pause(LAST_WORDS_MS)])
    return this.#endedBy === 'itself' && !this.#isAlive() ? 'ended' : 'refused'
  }

  async ended(): Promise<Pick<Conversation, 'end' | 'endedBy'>> {
    const nothing = { code: null, signal: null }
    if (this.#child === undefined) return { end: nothing, endedBy: 'itself' }
    const end = await Promise.race([this.#exit, pause(END_LIMIT_MS).then(() => nothing)])
    return { end, endedBy: this.#endedBy }
  }

  stray(): Conversation['stray'] {
    // A message may have been cut in two by the end.
    if (!this.#line.startsWith('{')) this.#endLine()
    return { lines: this.#strayLines, first: this.#firstStray }
  }

  /** The last that it said there. */
  lastStderr(): string {
    return this.#stderr
  }

  #isAlive(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  #watchOutput(chunk: Buffer): void {
    if (this.#isFlooded) return
    const [rest = '', ...lines] = chunk.toString().split('\n')
    this.#addToLine(rest)
    for (const line of lines) {
      this.#endLine()
      this.#addToLine(line)
    }
    const bytes = this.#strayBytes + (this.#isStray() ? this.#lineBytes : 0)
    if (bytes <= MOST_STRAY.bytes && this.#strayLines <= MOST_STRAY.lines) return
    this.#endLine()
    this.#isFlooded = true
    this.#onGone(new Error('it floods its output'))
    this.#child?.stdout.destroy()
  }

  #fallSilent(): void {
    if (!this.#isAlive() || this.#endedBy !== 'itself') return
    this.#isSilent = true
    this.#onGone(new Error('it closed its output'))
  }

  #watchClock(): void {
    if (performance.now() < this.#deadline) return
    this.#late()
    this.#child?.stdout.destroy()
    this.#child?.stderr.destroy()
  }

  /** Its beginning tells whether a line is a message: a large one isn't kept twice. */
  #addToLine(text: string): void {
    this.#line = `${this.#line}${text}`.slice(0, KEPT_LINE)
    this.#lineBytes += text.length
  }

  #endLine(): void {
    if (this.#isStray()) {
      if (this.#strayLines === 0) this.#firstStray = this.#line.trim()
      this.#strayLines += 1
      this.#strayBytes += this.#lineBytes
    }
    this.#line = ''
    this.#lineBytes = 0
  }

  #isStray(): boolean {
    const line = this.#line.trim()
    if (line === '') return false
    const isCut = line.length >= KEPT_LINE - 1
    const isMessage = line.startsWith('{') && (isCut || line.includes('"jsonrpc"'))
    return !isMessage || this.#lineBytes > LARGEST_MESSAGE_BYTES
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds).unref()
  })
}
