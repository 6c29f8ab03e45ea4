import { parsePlaceholders } from './placeholders.ts'

/**
 * False for a shell line such as `npx -y foo`. A space is fine in a path, and a path has a slash in its first word
 * (`/opt/My Tools/server`, `./my server`), which a program with arguments has not (`npx -y @scope/foo`).
 */
export function isExecutableName(command: string): boolean {
  const written = parsePlaceholders(command).map((part) => (part.kind === 'literal' ? part.text : '/'))
  const [first = '', ...others] = written.join('').split(/\s+/)
  return others.length === 0 || first.includes('/')
}
