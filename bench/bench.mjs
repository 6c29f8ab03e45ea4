// How long it takes until the server runs, as ratios: `npm run bench`. Nothing is asserted; targets are printed.
//
// Every launch starts /bin/true and is timed as a whole, from its spawn to its end. Nothing is subtracted: what `true`
// alone takes is a line of the first table.
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { openUserManager } from '../test/e2e/harness/user-manager.ts'
import { breakdown } from './breakdown.mjs'
import { onPath, peers } from './peers.mjs'
import { race, section, table } from './race.mjs'

const ROOT = join(import.meta.dirname, '..')
const EXECUTABLE = join(ROOT, 'dist', 'mcp-launch')
/** What npm users run. */
const BUNDLE = [process.execPath, join(ROOT, 'bin', 'mcp-launch.cjs')]
const BUN = join(ROOT, 'node_modules', '.bin', 'bun')
const EVERYTHING = join(ROOT, 'node_modules', '@modelcontextprotocol', 'server-everything', 'dist', 'index.js')
const TRUE = ['/bin/true']
const AT_ONCE = 20

const directory = mkdtempSync(join(tmpdir(), 'mcp-launch-bench-'))
const { manager, stop } = await openUserManager()
try {
  bench()
} finally {
  await stop()
  rmSync(directory, { recursive: true, force: true })
}

function bench() {
  const started = performance.now()
  const env = environment()
  const secret = demoSecret()
  const emptyScript = write('empty.js', '')
  const track = { env, cwd: directory }

  const plain = { command: '/bin/true', scope: 'off', deathSignal: 'off' }
  const limits = { memoryMax: '1G', tasksMax: 100 }
  const one = registry('one', { server: plain })
  const thousand = registry('thousand', { server: plain, ...manyServers(999) })
  const scoped = registry('scoped', { server: { command: '/bin/true', limits } })
  const withSecret = (name, from) => registry(name, { server: { ...plain, secrets: { [secret.name]: from } } })
  const cached = withSecret('cached', secret.ref)
  const cold = withSecret('cold', { from: secret.ref, cache: false })
  const everything = { command: process.execPath, args: [EVERYTHING, 'stdio'] }
  const real = registry('real', { direct: { ...everything, scope: 'off', deathSignal: 'off' }, scoped: everything })
  const launch = (file, server = 'server') => [EXECUTABLE, '--registry', file, server]
  const bundled = (file) => [...BUNDLE, '--registry', file, 'server']
  const scope = whyNoScope(launch(scoped), env)

  section('mcp-launch, time to exec', [
    `${availableParallelism()} cores, load ${loadavg()[0].toFixed(1)}, node ${process.versions.node}, bun ${version(BUN)}`,
    scope === undefined ? `scopes: the ${manager.kind} systemd user manager` : `no scope here: ${scope}`,
    'A ratio is the median of the ratios of each round; "min–max" is over all rounds.',
  ])

  const emptyBun = { name: 'bun, empty script', argv: [BUN, emptyScript] }
  const emptyNode = { name: 'node, empty script', argv: [process.execPath, emptyScript] }
  race({
    ...track,
    title: 'Against an empty script on the same runtime; all compiled, no secrets, no scope',
    rounds: 100,
    contestants: [
      { name: 'true', argv: TRUE },
      emptyBun,
      { name: 'mcp-launch', argv: launch(one), against: emptyBun.name, target: '≤ 4×' },
      emptyNode,
      { name: 'mcp-launch, bundle on node', argv: bundled(one), against: emptyNode.name },
    ],
  })

  breakdown({ ...track, launch: launch(one), directory, rounds: 100 })

  if (scope === undefined) {
    const byHand = { name: 'setpriv … systemd-run … true, by hand', argv: wrappedByHand(limits) }
    race({
      ...track,
      title: 'With its own scope and parent-death signal',
      rounds: 60,
      contestants: [
        byHand,
        { name: 'mcp-launch', argv: launch(scoped), against: byHand.name },
        { name: 'mcp-launch, bundle on node', argv: bundled(scoped), against: byHand.name },
      ],
    })
  }

  const entered = peers({ directory, env, secret, command: TRUE })
  const ours = { name: 'mcp-launch, from its cache', argv: launch(cached) }
  race({
    ...track,
    title: 'With the same secret, without scope',
    how: entered.skipped,
    rounds: 20,
    contestants: [
      { name: 'mcp-launch, no secret', argv: launch(one), against: ours.name },
      ours,
      { name: 'mcp-launch (a SOPS file, age)', argv: launch(cold), against: ours.name },
      ...entered.contestants.map((peer) => ({ ...peer, against: ours.name })),
    ],
  })

  cacheRaces({ track, plain, launch, scope, limits, uncached: launch(cold) })

  const small = { name: '1 server in the registry', argv: launch(one) }
  race({
    ...track,
    title: 'The size of the registry',
    rounds: 100,
    contestants: [
      small,
      { name: '1,000 servers in the registry', argv: launch(thousand), against: small.name, target: '≤ 1.3×' },
    ],
  })

  const swarm = (name, argv, more) => ({ name, argv, copies: AT_ONCE, ...more })
  const direct = swarm(`${AT_ONCE} × true`, TRUE)
  race({
    ...track,
    title: `${AT_ONCE} at the same moment, until the last one has ended`,
    rounds: 20,
    contestants: [
      direct,
      swarm(`${AT_ONCE} × mcp-launch`, launch(one), { against: direct.name }),
      ...(scope === undefined
        ? [swarm(`${AT_ONCE} × mcp-launch, scopes`, launch(scoped), { against: direct.name })]
        : []),
    ],
  })

  const server = swarm(`${AT_ONCE} × server-everything`, [everything.command, ...everything.args], { until: 'answer' })
  const launched = { against: server.name, until: 'answer' }
  race({
    ...track,
    title: `${AT_ONCE} real servers at the same moment, until the last one has answered "initialize"`,
    rounds: 3,
    warmUp: 1,
    contestants: [
      server,
      swarm(`${AT_ONCE} × mcp-launch`, launch(real, 'direct'), launched),
      ...(scope === undefined ? [swarm(`${AT_ONCE} × mcp-launch, scopes`, launch(real, 'scoped'), launched)] : []),
    ],
  })

  memory(env, [
    emptyBun,
    emptyNode,
    { name: 'mcp-launch', argv: launch(one) },
    ours,
    { name: 'mcp-launch (a SOPS file, age)', argv: launch(cold) },
    { name: 'mcp-launch, bundle on node', argv: bundled(one) },
    ...entered.contestants,
  ])
  console.log(`\n  whole run: ${Math.round((performance.now() - started) / 1000)} s`)
}

/** What the cache costs, and what it saves. The values come from variables, through the fetcher, as slow ones would. */
function cacheRaces({ track, plain, launch, scope, limits, uncached }) {
  const filled = (count, options = plain) => {
    const secrets = Object.fromEntries(Array.from({ length: count }, (_, index) => [`S${index}`, cachedSecret(index)]))
    const scopes = options === plain ? '' : '-scoped'
    const file = registry(`filled-${count}${scopes}`, {
      server: { ...options, secrets: { S0: secrets.S0 } },
      all: { ...plain, secrets },
    })
    const env = { ...track.env, XDG_CACHE_HOME: join(directory, `cache-${count}${scopes}`) }
    const values = Object.fromEntries(
      Array.from({ length: count }, (_, index) => [`BENCH_${index}`, `value ${index}`.repeat(6)]),
    )
    execFileSync(EXECUTABLE, ['secrets', 'refresh', '--registry', file, 'all'], {
      env: { ...env, ...values },
      stdio: 'ignore',
    })
    return { argv: launch(file), env: { ...env, BENCH_0: values.BENCH_0 } }
  }
  const scoped = { command: '/bin/true', limits }
  const none = (name, options) => ({ name, argv: launch(registry(name.replaceAll(/\W+/g, '-'), { server: options })) })
  const nothing = none('no secrets', plain)
  const nothingScoped = none('no secrets, in a scope', scoped)
  const hit = (count, more) => ({
    name: `a hit, ${count.toLocaleString('en')} in the cache`,
    ...filled(count),
    against: nothing.name,
    ...more,
  })
  race({
    ...track,
    title: 'A hit of the cache against the same launch without secrets',
    rounds: 60,
    contestants: [nothing, hit(1, { target: '≤ 1.6×' }), hit(10), hit(1_000)],
  })
  if (scope === undefined) {
    // A race of its own: after a contestant without a scope the manager has been idle, and its next one takes longer.
    race({
      ...track,
      title: 'The same, in their scopes',
      rounds: 60,
      contestants: [
        nothingScoped,
        { name: 'a hit, in a scope', ...filled(1, scoped), against: nothingScoped.name, target: '≤ 1.25×' },
      ],
    })
  }
  const { argv, env } = filled(1)
  const words = argv.map((word) => `'${word}'`).join(' ')
  const atOnce = (before) => ['/bin/sh', '-c', `${before}; for i in $(seq ${AT_ONCE}); do ${words} & done; wait`]
  const warm = { name: `${AT_ONCE} × a hit`, argv: atOnce(':'), env }
  race({
    ...track,
    title: `${AT_ONCE} at the same moment, one secret for all`,
    rounds: 10,
    contestants: [
      {
        name: `${AT_ONCE} × decrypting a SOPS file, without cache`,
        argv: [
          '/bin/sh',
          '-c',
          `for i in $(seq ${AT_ONCE}); do ${uncached.map((word) => `'${word}'`).join(' ')} & done; wait`,
        ],
        against: warm.name,
      },
      warm,
      {
        name: `${AT_ONCE} × a cold cache, one fetch for all`,
        argv: atOnce(`rm -f '${env.XDG_CACHE_HOME}'/mcp-launch/secrets.*`),
        env,
        against: warm.name,
      },
    ],
  })
}

function cachedSecret(index) {
  return { from: `env:BENCH_${index}`, cache: true }
}

/** The peak of the whole process until its end (ru_maxrss); of a launch, only the part before exec matters. */
function memory(env, contestants) {
  const time = onPath('time', '/usr/bin:/bin')
  if (time === undefined) return section('Peak memory', ['skipped: there is no GNU time (apt-get install time)'])
  section('Peak memory')
  const peaks = contestants.map(({ argv, env: own = env, cwd = directory }) => {
    const { stderr } = spawnSync(time, ['-f', '%M', ...argv], { env: own, cwd, encoding: 'utf8' })
    return Number(stderr.trim().split('\n').at(-1)) / 1024
  })
  const rows = contestants.map(({ name }, index) => {
    return [name, peaks[index].toFixed(0), `${(peaks[index] / peaks[0]).toFixed(2)}×`]
  })
  return table([['', 'MB', `to ${contestants[0].name}`], ...rows])
}

/** What most clients pass, and the way to the user manager. */
function environment() {
  const { LOGNAME = 'root', PATH, USER = 'root' } = process.env
  const runtime = 'runtimeDir' in manager ? { XDG_RUNTIME_DIR: manager.runtimeDir } : {}
  return { HOME: directory, LOGNAME, PATH, SHELL: '/bin/sh', TERM: 'dumb', USER, ...runtime }
}

/** The secret of the demo, readable in this bench's home. */
function demoSecret() {
  const keys = join(directory, '.config', 'sops', 'age')
  mkdirSync(keys, { recursive: true, mode: 0o700 })
  const copy = (from, to) => {
    copyFileSync(join(ROOT, 'examples', from), to)
    chmodSync(to, 0o600)
  }
  copy('demo-age-key.txt', join(keys, 'keys.txt'))
  copy(join('secrets', 'demo.yaml'), join(directory, 'demo.yaml'))
  const keyFile = readFileSync(join(keys, 'keys.txt'), 'utf8')
  const name = 'WEATHER_API_KEY'
  const ref = 'sops:demo.yaml#/weather/api_key'
  const printing = registry('printing', { server: { command: 'printenv', args: [name], secrets: { [name]: ref } } })
  const value = execFileSync(EXECUTABLE, ['--registry', printing, 'server'], { env: environment(), encoding: 'utf8' })
  return {
    name,
    ref,
    value: value.trim(),
    key: /^AGE-SECRET-KEY-.*$/m.exec(keyFile)[0],
    recipient: /age1\w+/.exec(keyFile)[0],
  }
}

function registry(name, servers) {
  return write(`${name}.json`, JSON.stringify({ servers }, null, 2))
}

function manyServers(count) {
  const entry = (_, index) => [
    `server-${index}`,
    {
      description: `the server number ${index}`,
      command: 'npx',
      args: ['-y', `mcp-server-${index}`],
      env: { SERVER_URL: `http://localhost:${index}` },
      secrets: { SERVER_TOKEN: `sops:secrets.yaml#/servers/${index}` },
      limits: { memoryMax: '1G' },
    },
  ]
  return Object.fromEntries(Array.from({ length: count }, entry))
}

function write(name, content) {
  const path = join(directory, name)
  writeFileSync(path, content, { mode: 0o600 })
  return path
}

function wrappedByHand({ memoryMax, tasksMax }) {
  const properties = [`MemoryMax=${memoryMax}`, `TasksMax=${tasksMax}`].flatMap((property) => ['-p', property])
  const scope = ['systemd-run', '--user', '--scope', '--quiet', '--collect', '--slice=mcp-servers.slice', ...properties]
  return ['setpriv', '--pdeathsig', 'TERM', '--', ...scope, '--', ...TRUE]
}

function whyNoScope([executable, ...args], env) {
  if ('unavailable' in manager) return manager.unavailable
  const explained = execFileSync(executable, ['explain', ...args, '--json'], { env, encoding: 'utf8' })
  const { used, why } = JSON.parse(explained).wrappers.find(({ name }) => name === 'systemd-run')
  return used ? undefined : why
}

function version(program) {
  return execFileSync(program, ['--version'], { encoding: 'utf8' }).trim()
}
