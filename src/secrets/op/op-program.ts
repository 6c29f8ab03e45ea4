import type { LaunchError } from '../../errors.ts'
import { findProgram } from '../../programs.ts'
import type { Finished, World } from '../../world.ts'
import type { OpRef } from '../ref.ts'
import { Secret } from '../secret.ts'
import { type Deadline, type Outcome, type Refusal, type Source, SourceError } from '../source.ts'

/** What concerns all references alike; the rest need not be asked for. */
class WholeFailure {
  readonly error: LaunchError

  constructor(error: LaunchError) {
    this.error = error
  }
}

/**
 * `op://…` through the `op` program, for a person at a terminal who has no service account: it may ask for an unlock.
 *
 * One reference after another with `op read`: each has its own answer, to the byte, and only the first has to wait for
 * the unlock. (`op inject` would take one call, but one bad reference fails them all.) A failure that concerns all of
 * them (not signed in, rate limit, time-out, …) ends the asking, and all that are left get that same error object.
 */
export function opProgramSource(world: World): Source {
  return {
    async resolve(refs, deadline) {
      const own = [...new Map(refs.filter((ref) => ref.kind === 'op').map((ref) => [ref.text, ref])).values()]
      const outcomes = new Map<string, Outcome>()
      if (own.length === 0) return outcomes
      const program = findProgram(world, 'op')
      let failure = program === undefined ? notInstalled() : undefined
      for (const ref of own) {
        const outcome: Outcome | WholeFailure = failure ?? (await read(world, program ?? '', ref, deadline))
        if (outcome instanceof WholeFailure) failure = outcome.error
        outcomes.set(ref.text, outcome instanceof WholeFailure ? outcome.error : outcome)
      }
      return outcomes
    },
  }
}

async function read(world: World, file: string, ref: OpRef, deadline: Deadline): Promise<Outcome | WholeFailure> {
  const timeoutMs = Math.max(1, deadline - world.now())
  const args = ['read', '--no-newline', '--', ref.text]
  const finished = await world.processes.run({ file, args, env: world.env, cwd: '/', timeoutMs, endsWithUs: true })
  if (finished.end.kind !== 'exit' || finished.end.code !== 0) return failureOf(ref, finished, timeoutMs)
  try {
    return new Secret(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(finished.stdout))
  } catch {
    const hint = 'store the value in a field, encoded (base64)'
    return refusal('said-no', ref, 'what it holds is not text (UTF-8)', hint)
  }
}

interface Rule {
  readonly words: RegExp
  readonly refusal: Refusal
  readonly why: string
  readonly hint: string
}

/** Words of `op` 2.30 to 2.39, as people quote them; none was seen here, where there is no account. */
const ABOUT_ONE: readonly Rule[] = [
  {
    words: /isn't a vault|vault .* not found|no vault matched/i,
    refusal: 'said-no',
    why: 'there is no such vault in this account',
    hint: "check the vault's name, and the account: op account list",
  },
  {
    words: /isn't an item|no item matched|more than one item/i,
    refusal: 'said-no',
    why: 'there is no such item in the vault, or several',
    hint: "check the item's name in 1password, or use its ID",
  },
  {
    words: /does not have a field|isn't a field|no field matched|section .* not found|does not have a section/i,
    refusal: 'said-no',
    why: 'the item has no such field',
    hint: "check the field's name in 1password",
  },
  {
    words: /invalid (?:character in )?secret reference|secret reference has invalid/i,
    refusal: 'said-no',
    why: '1password takes it for no reference',
    hint: 'write it as op://vault/item/field',
  },
]

const ABOUT_ALL: readonly Rule[] = [
  {
    words: /too many requests|rate.?limit|\(429\)/i,
    refusal: 'rate-limited',
    why: 'the rate limit is exceeded',
    hint: 'wait: it lasts up to a day',
  },
  {
    words: /authorization (?:prompt dismissed|timeout|denied)|dismissed|desktop app timed out/i,
    refusal: 'unavailable',
    why: 'nobody unlocked 1password',
    hint: 'run it again, and unlock 1password when it asks',
  },
  {
    words: /not (?:currently )?signed in|no accounts? (?:configured|found)|session expired|sign in|invalid session/i,
    refusal: 'unavailable',
    why: 'it is not signed in',
    hint: 'sign in (eval "$(op signin)"), or turn on the command line in the settings of the 1password app',
  },
  {
    words: /\(401\)|\(403\)|DecodeSACredentials|service account deleted/i,
    refusal: 'token-rejected',
    why: '1password rejected its token',
    hint: 'renew OP_SERVICE_ACCOUNT_TOKEN, or unset it to sign in yourself',
  },
  {
    words:
      /no such host|connection (?:refused|reset)|i\/o timeout|deadline exceeded|network is unreachable|x509|RequestDelegatedSession/i,
    refusal: 'unavailable',
    why: 'no connection to 1password',
    hint: 'check the network and the 1password app',
  },
]

/** What it says on stderr goes no further than these rules: it may quote anything. */
function failureOf(ref: OpRef, { end, stderr }: Finished, timeoutMs: number): Outcome | WholeFailure {
  if (end.kind === 'timeout') {
    const why = `no answer within ${Math.round(timeoutMs / 100) / 10} s`
    return whole('unavailable', why, 'see whether it waits for an unlock: op read …')
  }
  if (end.kind === 'not-started') return whole('unavailable', `it can't be started (${end.errno})`, 'install it anew')
  // The reference stands in most messages, and a name in it may hold any of these words.
  const said = stderr.replaceAll(ref.text, '')
  const one = ABOUT_ONE.find(({ words }) => words.test(said))
  if (one !== undefined) return refusal(one.refusal, ref, one.why, one.hint)
  const all = ABOUT_ALL.find(({ words }) => words.test(said))
  if (all !== undefined) return whole(all.refusal, all.why, all.hint)
  return refusal('unavailable', ref, `the program "op" failed (${endWords(end)})`, `see what it says: op read …`)
}

function endWords(end: Finished['end']): string {
  if (end.kind === 'exit') return `exit status ${end.code}`
  return end.kind === 'signal' ? end.signal : 'too much output'
}

function refusal(kind: Refusal, ref: OpRef, why: string, hint: string): SourceError {
  return new SourceError(kind, { what: "can't resolve", subject: ref.text, why, hint })
}

function whole(kind: Refusal, why: string, hint: string): WholeFailure {
  const fault = { what: "can't ask 1password with the program", subject: 'op', why, hint }
  // A person's account, which a service account's token doesn't need.
  return new WholeFailure(new SourceError(kind, fault, 'asker'))
}

function notInstalled(): LaunchError {
  return new SourceError('not-asked', {
    what: "can't ask 1password with the program",
    subject: 'op',
    why: 'it is not on the PATH',
    hint: 'install it (https://developer.1password.com/docs/cli), or set onepassword.token in the registry',
  })
}
