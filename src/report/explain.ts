import { LaunchError, LaunchErrors } from '../errors.ts'
import type { SecretState } from '../launch/ask.ts'
import type { Prepared } from '../launch/prepare.ts'
import type { Scope } from '../launch/wrap.ts'
import type { Registered } from '../registry/entry.ts'
import { errorText, oneLine, table } from './messages.ts'

/** What `explain --json` prints. It has no place for a value. */
export interface Explanation {
  readonly server: string
  readonly description?: string
  readonly registry: string
  readonly command: readonly string[]
  readonly cwd: string
  readonly scope: {
    readonly unit: string
    readonly slice: string
    readonly properties: readonly string[]
    /** The unit that ends when the client ends. */
    readonly boundTo: string | null
  } | null
  readonly wrappers: readonly {
    readonly name: string
    readonly used: boolean
    readonly why: string
    readonly argv: readonly string[]
  }[]
  readonly secrets: readonly {
    readonly name: string
    readonly from: string
    readonly as: 'env' | 'file'
    readonly required: boolean
    readonly state: 'resolved' | 'failed' | 'not asked'
    readonly why?: string
  }[]
  readonly secretFiles: readonly string[]
  readonly environment: readonly {
    readonly name: string
    readonly origin: string
    readonly decision: string
    readonly why: string
  }[]
  readonly notes: readonly string[]
  readonly problems: readonly { readonly message: string; readonly hint?: string; readonly exitCode: number }[]
}

/** The facts of a prepared launch, for a program or for {@link explanationText}. */
export function explanation({ server, registryPath }: Registered, { plan, secrets, problems }: Prepared): Explanation {
  return {
    server: server.name,
    ...(server.description === undefined ? {} : { description: server.description }),
    registry: registryPath,
    command: plan.argv,
    cwd: plan.cwd,
    scope: plan.scope === undefined ? null : scopeFacts(plan.scope),
    wrappers: plan.parts.map(({ name, why, argv }) => ({ name, used: argv.length > 0, why, argv })),
    secrets: secrets.map(secretFacts),
    secretFiles: plan.secretFiles.map(({ path }) => path),
    environment: plan.variables.map(({ name, origin, decision, why }) => ({ name, origin, decision, why })),
    notes: plan.notes,
    problems: problems.flatMap((problem) => (problem instanceof LaunchErrors ? problem.errors : [problem])).map(fact),
  }
}

function scopeFacts({ unit, slice, properties, watch }: Scope): NonNullable<Explanation['scope']> {
  return { unit, slice, properties, boundTo: 'unit' in watch ? watch.unit : null }
}

function fact({ message, hint, exitCode }: LaunchError): Explanation['problems'][number] {
  return { message, ...(hint === undefined ? {} : { hint }), exitCode }
}

function secretFacts({ name, spec, outcome, remark }: SecretState): Explanation['secrets'][number] {
  const { as, required, from } = spec
  const base = { name, from: from.text, as, required }
  if (outcome === 'not asked') return { ...base, state: 'not asked', ...(remark === undefined ? {} : { why: remark }) }
  if (outcome instanceof LaunchError) return { ...base, state: 'failed', why: outcome.message }
  return { ...base, state: 'resolved' }
}

/** The same for a person: what is started, with which secrets and variables, in what it is wrapped, what is wrong. */
export function explanationText(facts: Explanation): string {
  const sections = [
    head(facts),
    section('secrets', facts.secrets.map(secretRow)),
    section('environment', facts.environment.map(variableRow)),
    section(
      'wrapped in',
      facts.wrappers.map(({ name, used, why }) => [used ? '+' : '-', name, why]),
    ),
    section('limits', limitRows(facts)),
    `command line\n${commandLine(facts)}\n`,
    facts.notes.length === 0 ? '' : `notes\n${facts.notes.map((note) => `  ${oneLine(note)}\n`).join('')}`,
    facts.problems.length === 0 ? '' : `it would not start\n${facts.problems.map(problemText).join('')}`,
  ]
  return sections.filter((text) => text !== '').join('\n')
}

function head(facts: Explanation): string {
  const rows = [
    ['server', facts.description === undefined ? facts.server : `${facts.server}: ${facts.description}`],
    ['registry', facts.registry],
    ['directory', facts.cwd],
    ['unit', facts.scope === null ? 'none' : `${facts.scope.unit} in ${facts.scope.slice}`],
  ]
  return `${table(rows)}\n`
}

function section(title: string, rows: readonly (readonly string[])[]): string {
  return rows.length === 0 ? '' : `${title}\n${table(rows, '  ')}\n`
}

function secretRow({ name, from, as, required, state, why }: Explanation['secrets'][number]): string[] {
  const how = [as === 'file' ? 'as a file' : '', required ? '' : 'optional'].filter((word) => word !== '')
  return [state === 'failed' ? '!' : '+', name, from, [state, ...how].join(', '), why ?? '']
}

function variableRow({ name, origin, decision, why }: Explanation['environment'][number]): string[] {
  return [decision === 'drop' ? '-' : '+', name, decision === 'drop' ? 'dropped' : `from ${origin}`, why]
}

function limitRows({ scope }: Explanation): string[][] {
  return (scope?.properties ?? []).map((property) => {
    const [name = '', value = ''] = property.split(/=(.*)/s)
    return [name, value]
  })
}

/** One word a line would be long, one line unreadable: a wrapper a line, and the server's own words last. */
function commandLine({ command, wrappers }: Explanation): string {
  const wrapping = wrappers.map(({ argv }) => argv).filter((argv) => argv.length > 0)
  const own = command.slice(wrapping.flat().length)
  const lines = [...wrapping, own].map((words) => [words.map(quoted).join(' ')])
  return table(lines, '  ').replaceAll('\n', ' \\\n')
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${oneLine(word).replaceAll("'", String.raw`'\''`)}'`
}

function problemText({ message, hint }: Explanation['problems'][number]): string {
  const error = new LaunchError('failure', { what: message, ...(hint === undefined ? {} : { hint }) })
  return errorText(error)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => `  ${line.replace(/^mcp-launch: /, '')}\n`)
    .join('')
}
