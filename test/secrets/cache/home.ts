import type { Ref } from '../../../src/secrets/ref.ts'
import { Secret } from '../../../src/secrets/secret.ts'
import type { Outcome, Source } from '../../../src/secrets/source.ts'
import type { World } from '../../../src/world.ts'
import { temporaryDirectory } from '../../temporary.ts'
import { testWorld } from '../../world.ts'

/** A world whose home is the test's own, and whose clock stands until it is set. */
export interface TestHome {
  readonly home: string
  readonly world: World
  /** Milliseconds since the epoch; the files' own times go on. */
  clock: number
}

export function testHome(overrides: Partial<World> = {}): TestHome {
  const home = temporaryDirectory()
  const env = { HOME: home, PATH: process.env['PATH'] ?? '' }
  const self: TestHome = {
    home,
    clock: Date.now(),
    world: testWorld({ env, now: () => self.clock, ...overrides }),
  }
  return self
}

/** The real files with some operations replaced. */
export function filesWith(replaced: Partial<World['files']>): World['files'] {
  return { ...testWorld().files, ...replaced }
}

/** What a failed system call throws. */
export function errno(code: string): Error {
  return Object.assign(new Error(`${code}: made up by a test`), { code })
}

/** A source that answers as it is told, and counts the questions. */
export interface FakeSource {
  /** @param answers over those that it has. */
  resolve(
    ...question: [...Parameters<Source['resolve']>, answers?: FakeSource['answers']]
  ): ReturnType<Source['resolve']>
  /** The texts of each question. */
  readonly questions: string[][]
  /** By reference; a function is called at each question. */
  answers: Record<string, Outcome | string | (() => Outcome | string)>
}

export function fakeSource(answers: FakeSource['answers'] = {}): FakeSource {
  const source: FakeSource = {
    questions: [],
    answers,
    resolve(refs, _, own = {}) {
      source.questions.push(refs.map(({ text }) => text))
      return Promise.resolve(new Map(refs.flatMap(({ text }) => answerFor({ ...source.answers, ...own }, text))))
    },
  }
  return source
}

function answerFor(answers: FakeSource['answers'], text: string): [string, Outcome][] {
  const given = answers[text]
  const answer = typeof given === 'function' ? given() : given
  if (answer === undefined) return []
  return [[text, typeof answer === 'string' ? new Secret(answer) : answer]]
}

export function opRef(name: string): Ref {
  return { kind: 'op', vault: 'v', item: name, field: 'f', text: `op://v/${name}/f` }
}

export function commandRef(...argv: [string, ...string[]]): Ref {
  return { kind: 'command', argv, text: JSON.stringify({ command: argv }) }
}

/** A value as text; an error as its message. */
export function shown(outcome: Outcome | undefined): string {
  return outcome instanceof Secret ? outcome.reveal() : `error: ${outcome?.message}`
}
