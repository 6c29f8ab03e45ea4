// Builds dist/mcp-launch.cjs (for Node) with dist/check-client.cjs beside it, and from both dist/mcp-launch (one native
// executable, by Bun); dist/LICENSES.txt has the licences of what is bundled. Offline.
// MCP_LAUNCH_BUILD_TOOLS: JSON, absolute paths of env, prlimit, setpriv, systemd-run and tail to build in (packagers).
// MCP_LAUNCH_BUILD_BUN: the bun to compile with; an empty value leaves the executable out.
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('.', import.meta.url))
const { version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'))
const bundle = `${root}dist/mcp-launch.cjs`
const executable = `${root}dist/mcp-launch`

/**
 * The 14 MB of WebAssembly in 1Password's SDK, which it reads from its own directory when it is loaded: for Node they
 * lie beside the bundle, as dist/core_bg.wasm; in the executable, where `BUILD_EXECUTABLE` is defined, Bun embeds them.
 */
const onepasswordCore = {
  name: 'onepassword-core',
  setup({ onLoad }) {
    onLoad({ filter: /@1password[/\\]sdk-core[/\\]nodejs[/\\]core\.js$/ }, ({ path }) => {
      copyFileSync(join(dirname(path), 'core_bg.wasm'), `${root}dist/core_bg.wasm`)
      const beside = `require('path').join(__dirname, 'core_bg.wasm')`
      const contents = [
        [beside, `typeof BUILD_EXECUTABLE === 'undefined' ? ${beside} : require('./core_bg.wasm')`],
        // A bundled module's own `module` has no `require`; the core asks for it to get at random numbers.
        ['const ret = module.require;', 'const ret = require;'],
      ].reduce(replaceOnce, readFileSync(path, 'utf8'))
      return { contents, loader: 'js' }
    })
  },
}

/**
 * The MCP client of `check` is a bundle of its own, dist/check-client.cjs: on Node a launch would pay for parsing it. Bun
 * takes it into the executable, where code that doesn't run costs nothing (measured: bytecode is read as it is needed).
 */
const mcpClient = {
  name: 'mcp-client',
  setup({ onResolve }) {
    onResolve({ filter: /\/mcp-client\.ts$/ }, ({ kind }) =>
      kind === 'entry-point' ? undefined : { path: './check-client.cjs', external: true },
    )
  },
}

/**
 * Commander imports `node:process`. The bundle would copy all its properties' descriptors, which makes Bun open stdin,
 * stdout and stderr and leaves them non-blocking: for the program that this one becomes (`logs`), and for the terminal.
 */
const globalProcess = {
  name: 'global-process',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:process$/ }, () => ({ path: 'process', namespace: 'global' }))
    onLoad({ filter: /./, namespace: 'global' }, () => ({ contents: 'export default process' }))
  },
}

function replaceOnce(text, [old, replacement]) {
  if (text.split(old).length !== 2) throw new Error(`@1password/sdk-core has changed: not once in it: ${old}`)
  return text.replace(old, () => replacement)
}

/** Of each package that is in one of these bundles, what its authors want to go with it. */
function licenses(builds) {
  const inputs = builds.flatMap(({ metafile }) => Object.keys(metafile.inputs))
  const packages = inputs.map((input) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1])
  return [...new Set(packages.filter(Boolean))].sort().map(license).join('\n')
}

function license(directory) {
  const { name, version, license: id } = JSON.parse(readFileSync(join(root, directory, 'package.json'), 'utf8'))
  const file = readdirSync(join(root, directory)).find((entry) => /^licen[cs]e/i.test(entry))
  const text = file === undefined ? '' : `\n${readFileSync(join(root, directory, file), 'utf8').trim()}\n`
  return `${name} ${version}, ${id}\n${text}`
}

mkdirSync(`${root}dist`, { recursive: true })
const common = {
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  // A name in a stack trace is worth more than the bytes.
  minifySyntax: true,
  minifyWhitespace: true,
  keepNames: false,
  legalComments: 'none',
  metafile: true,
  define: {
    BUILD_VERSION: JSON.stringify(version),
    BUILD_TOOLS: process.env.MCP_LAUNCH_BUILD_TOOLS ?? '{}',
  },
  logLevel: 'warning',
}
const client = await build({
  ...common,
  entryPoints: [`${root}src/check/mcp-client.ts`],
  outfile: `${root}dist/check-client.cjs`,
})
const main = await build({
  ...common,
  banner: { js: '#!/usr/bin/env node' },
  entryPoints: [`${root}src/main.ts`],
  outfile: bundle,
  plugins: [onepasswordCore, mcpClient, globalProcess],
  external: ['./core_bg.wasm'],
})
chmodSync(bundle, 0o755)
writeFileSync(`${root}dist/LICENSES.txt`, licenses([client, main]))

const bun = process.env.MCP_LAUNCH_BUILD_BUN ?? `${root}node_modules/.bin/bun`
if (bun !== '') {
  const temporary = `${executable}.${process.pid}.tmp`
  const { status, error } = spawnSync(
    bun,
    [
      'build',
      '--compile',
      '--bytecode',
      '--minify',
      // Else the executable reads .env and bunfig.toml (with its preload) from whatever directory it is started in.
      '--no-compile-autoload-dotenv',
      '--no-compile-autoload-bunfig',
      '--define',
      'BUILD_EXECUTABLE=true',
      bundle,
      '--outfile',
      temporary,
    ],
    { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] },
  )
  if (error || status !== 0) {
    rmSync(temporary, { force: true })
    throw error ?? new Error(`bun build ended with ${status}`)
  }
  renameSync(temporary, executable)
}
