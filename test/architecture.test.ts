import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '..')
const SRC = join(ROOT, 'src')
const FILES = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .sort()

const source = (file: string) => readFileSync(join(SRC, file), 'utf8')

/** Without comments and strings, in which words are only words. */
const code = (file: string) => source(file).replace(/\/\*[\s\S]*?\*\/|\/\/.*$|'(?:[^'\\\n]|\\.)*'/gm, "''")

/** What a file imports of the project at run time; a type costs nothing and ties nothing. */
function imports(file: string): string[] {
  const specifiers = [
    ...source(file).matchAll(/^(?:import|export) (?!type )[^;']*?from '(\.[^']+)'|import\('(\.[^']+)'\)/gm),
  ]
  return specifiers.map((match) => relative(SRC, join(SRC, dirname(file), (match[1] ?? match[2]) as string)))
}

/** Imports point one way: to what stands further down. What stands on one line shares types only. */
const LAYERS = [
  ['main.ts'],
  ['cli.ts'],
  ['commands'],
  ['report/explain.ts', 'report/check.ts'],
  ['check'],
  ['launch', 'timer'],
  ['lifecycle'],
  ['registry/load.ts', 'registry'],
  ['secrets'],
  ['report'],
  ['audit.ts'],
  ['permissions.ts', 'lock.ts'],
  [
    'complaint.ts',
    'directories.ts',
    'invocation.ts',
    'known-tokens.ts',
    'real-world.ts',
    'process-start.ts',
    'programs.ts',
    'span.ts',
    'variable-name.ts',
  ],
  ['machine', 'nearest.ts', 'proc.ts'],
  ['errors.ts', 'world.ts', 'build.ts'],
]

function layer(file: string): number {
  const exact = LAYERS.findIndex((names) => names.includes(file))
  return exact === -1 ? LAYERS.findIndex((names) => names.includes(file.split('/')[0] as string)) : exact
}

test('every file has a layer', () => {
  expect(FILES.filter((file) => layer(file) === -1)).toEqual([])
})

test('imports point down', () => {
  const upward = FILES.flatMap((file) =>
    imports(file)
      .filter((imported) => layer(imported) < layer(file))
      .map((imported) => `${file} → ${imported}`),
  )
  expect(upward).toEqual([])
})

test('siblings share types only: what one folder knows, no other folder of its layer asks for', () => {
  const across = FILES.flatMap((file) =>
    imports(file)
      .filter((imported) => layer(imported) === layer(file) && imported.split('/')[0] !== file.split('/')[0])
      .map((imported) => `${file} → ${imported}`),
  )
  expect(across).toEqual([])
})

test('process, the clock and the file system are touched at the edge alone', () => {
  const isEdge = (file: string) => file === 'main.ts' || file === 'real-world.ts' || file.startsWith('machine/')
  const touching = FILES.filter((file) => !isEdge(file)).filter((file) =>
    /\bprocess\.(?!getBuiltinModule)|Date\.now|new Date\(\)|from 'node:(fs|child_process|os|net)/.test(
      code(file) + fsImports(file),
    ),
  )
  expect(touching).toEqual([])
})

const fsImports = (file: string) => (source(file).match(/from 'node:\w+/g) ?? []).join('\n')

test('a secret leaves its box for the server, for the cache, and for signing in to 1Password, and nowhere else', () => {
  const revealing = FILES.filter((file) => /\.reveal\(\)/.test(code(file)))
  expect(revealing).toEqual([
    'launch/environment.ts',
    'launch/secret-files.ts',
    'secrets/cache/values.ts',
    'secrets/op/ask.ts',
  ])
})

test('the road of a launch is free of what it loads only if it must', () => {
  const seen = new Set<string>()
  const visit = (file: string): void => {
    if (seen.has(file)) return
    seen.add(file)
    const eager = [...source(file).matchAll(/^(?:import|export) (?!type )[^;']*?from '(\.[^']+)'/gm)]
    for (const [, specifier] of eager) visit(relative(SRC, join(SRC, dirname(file), specifier as string)))
  }
  visit('main.ts')
  const packages = [...seen].flatMap((file) =>
    [...source(file).matchAll(/^import (?!type )[^;']*?from '([^.'][^']*)'/gm)].map((match) => match[1]),
  )
  expect([...new Set(packages)].sort()).toEqual(['@noble/ciphers/chacha.js', 'node:fs', 'node:path'])
})

test('no file is longer than three screens', () => {
  const long = FILES.map((file) => [file, source(file).split('\n').length] as const).filter(([, lines]) => lines > 260)
  expect(long).toEqual([])
})
