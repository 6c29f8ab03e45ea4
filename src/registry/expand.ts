import type { Environment } from '../world.ts'
import { parsePlaceholders } from './placeholders.ts'

export interface ExpandRules {
  /** The names that the server has under `secrets`: a secret never enters an argv. */
  readonly secretNames: ReadonlySet<string>
  /** A further reason to refuse a variable, which has this value. */
  readonly refuse?: (name: string, value: string) => ExpandProblem | undefined
  /** Gets every problem of the text; what `expand` returns after one is not to be used. */
  readonly report: (problem: ExpandProblem) => void
}

export interface ExpandProblem {
  /** Continues a sentence that begins with the text's place (`args[1]`); quotes names, never the text. */
  readonly why: string
  readonly hint: string
}

/**
 * `command`, `args`, `cwd`, `path` and `env` as the launch needs them: a leading `~` or `~/` is `HOME`, `${NAME}` comes
 * from the launcher's environment, `${NAME:-default}` has a default for a variable that is unset or empty, `$${` is a
 * literal `${`. What comes from a variable is not expanded again.
 */
export function expand(text: string, env: Environment, rules: ExpandRules): string {
  const parts = parsePlaceholders(text).map((part) => {
    if (part.kind === 'literal') return part.text
    if (part.kind === 'variable') return variable(part.name, part.fallback, env, rules)
    rules.report({ why: part.why, hint: part.hint })
    return ''
  })
  // Only a `~` that the user wrote: one that a variable brought in is no home directory.
  if (/^~(?:\/|$)/.test(text)) parts[0] = `${home(env, rules)}${parts[0]?.slice(1)}`
  return parts.join('')
}

function variable(name: string, fallback: string | undefined, env: Environment, rules: ExpandRules): string {
  if (rules.secretNames.has(name)) {
    rules.report(secretProblem(name))
    return ''
  }
  const value = lookUp(env, name)
  const refusal = value === undefined ? undefined : rules.refuse?.(name, value)
  if (refusal !== undefined) {
    rules.report(refusal)
    return ''
  }
  if (fallback !== undefined) return value === undefined || value === '' ? fallback : value
  if (value === undefined) {
    rules.report({
      why: `needs the variable ${name}, which is not set`,
      hint: `let the client pass ${name} on, or write \${${name}:-default}`,
    })
  }
  return value ?? ''
}

/** The registry is wrong whatever the environment: the check at load time says the same. */
export function secretProblem(name: string): ExpandProblem {
  return {
    why: `uses ${name}, which this server has under "secrets": a secret is passed in its variable only`,
    hint: `let the server read ${name} from its environment, or give it a file (as: file)`,
  }
}

function home(env: Environment, rules: ExpandRules): string {
  const value = lookUp(env, 'HOME')
  if (value === undefined || value === '') {
    rules.report({ why: 'begins with ~, and HOME is not set', hint: 'let the client pass HOME on' })
  }
  return value ?? ''
}

function lookUp(env: Environment, name: string): string | undefined {
  return Object.hasOwn(env, name) ? env[name] : undefined
}
