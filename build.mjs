// Builds dist/mcp-launch.cjs (for Node) and, from it, dist/mcp-launch (one native executable, by Bun). Offline.
// MCP_LAUNCH_BUILD_TOOLS: JSON, absolute paths of env, setpriv and systemd-run to build in (packagers).
// MCP_LAUNCH_BUILD_BUN: the bun to compile with; an empty value leaves the executable out.
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('.', import.meta.url))
const { version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'))
const bundle = `${root}dist/mcp-launch.cjs`
const executable = `${root}dist/mcp-launch`

mkdirSync(`${root}dist`, { recursive: true })
await build({
  entryPoints: [`${root}src/main.ts`],
  outfile: bundle,
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  // A name in a stack trace is worth more than the bytes.
  minifySyntax: true,
  minifyWhitespace: true,
  keepNames: false,
  legalComments: 'linked',
  define: {
    BUILD_VERSION: JSON.stringify(version),
    BUILD_TOOLS: process.env.MCP_LAUNCH_BUILD_TOOLS ?? '{}',
  },
  logLevel: 'warning',
})
chmodSync(bundle, 0o755)

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
