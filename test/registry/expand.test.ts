import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expand } from '../../src/registry/expand.ts'
import type { Environment } from '../../src/world.ts'

const ENV = { HOME: '/home/ada', NAME: 'value', EMPTY: '', TILDE: '~/x', DOLLAR: `\${NAME}` }

function expanded(text: string, env: Environment = ENV, secrets: string[] = []): { text: string; problems: string[] } {
  const problems: string[] = []
  const result = expand(text, env, {
    secretNames: new Set(secrets),
    report: ({ why, hint }) => problems.push(`${why} -> ${hint}`),
  })
  return { text: result, problems }
}

describe('expand', () => {
  it.each([
    ['plain', 'plain'],
    ['', ''],
    ['~', '/home/ada'],
    ['~/bin', '/home/ada/bin'],
    ['~bob/bin', '~bob/bin'],
    ['a~/b', 'a~/b'],
    ['--dir=~/b', '--dir=~/b'],
    [`\${NAME}`, 'value'],
    [`a\${NAME}b\${NAME}c`, 'avaluebvaluec'],
    [`~/\${NAME}`, '/home/ada/value'],
    ['$NAME', '$NAME'],
    ['100$', '100$'],
    [`\${EMPTY}`, ''],
    [`\${EMPTY:-d}`, 'd'],
    [`\${UNSET:-d}`, 'd'],
    [`\${UNSET:-}`, ''],
    [`\${NAME:-d}`, 'value'],
    [`\${UNSET:-a:b -c "d"}`, 'a:b -c "d"'],
    [`\${UNSET:-a\nb}`, 'a\nb'],
    [`$\${NAME}`, `\${NAME}`],
    [`$$\${`, `$\${`],
    [`\${TILDE}`, '~/x'],
    [`\${DOLLAR}`, `\${NAME}`],
    [`\${constructor:-none}`, 'none'],
  ])('%j is %j', (text, result) => {
    expect(expanded(text)).toEqual({ text: result, problems: [] })
  })

  it.each([
    [`\${UNSET}`, ['needs the variable UNSET, which is not set']],
    [`\${constructor}`, ['needs the variable constructor, which is not set']],
    [`\${A} \${B}`, ['needs the variable A, which is not set', 'needs the variable B, which is not set']],
    [`\${NAME`, [`has a \${ that is not closed`]],
    [`\${}`, [`has a \${…} that holds no variable name`]],
    [`\${env:NAME}`, [`has a \${…} that holds no variable name`]],
    [`\${NAME:=x}`, [`has a \${…} that holds no variable name`]],
    [`\${A:-\${B}}`, [`has a \${ inside the default of \${A}`]],
  ])('%j is refused', (text, problems) => {
    expect(expanded(text).problems.map((problem) => problem.split(' -> ')[0])).toEqual(problems)
  })

  it('never lets a secret in, even with a default', () => {
    for (const text of [`--token=\${TOKEN}`, `\${TOKEN:-x}`]) {
      expect(expanded(text, { TOKEN: 'canary' }, ['TOKEN'])).toEqual({
        text: expect.not.stringContaining('canary'),
        problems: [
          'uses TOKEN, which this server has under "secrets": a secret is passed in its variable only -> ' +
            'let the server read TOKEN from its environment, or give it a file (as: file)',
        ],
      })
    }
  })

  it('needs HOME for ~', () => {
    expect(expanded('~/x', {}).problems).toEqual(['begins with ~, and HOME is not set -> let the client pass HOME on'])
  })

  it('gives escaped text back as it was', () => {
    const text = fc.string({ unit: fc.constantFrom('$', '{', '}', 'A', ':', '-', '~', '\n') })
    fc.assert(
      fc.property(text, (original) => {
        const escaped = original.replaceAll(`\${`, () => `$\${`)
        fc.pre(!/^~(\/|$)/.test(original))
        expect(expanded(escaped)).toEqual({ text: original, problems: [] })
      }),
    )
  })

  it('puts values in as they are', () => {
    fc.assert(
      fc.property(fc.string(), fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]*$/), (value, name) => {
        expect(expanded(`<\${${name}}>`, { [name]: value })).toEqual({ text: `<${value}>`, problems: [] })
      }),
    )
  })

  it('never crashes, and quotes nothing of a text it can not read', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const { problems } = expanded(`\${!canary${text.replaceAll('}', '')}}`)
        expect(problems.join()).not.toContain('canary')
        expect(problems).toHaveLength(1)
      }),
    )
  })
})
