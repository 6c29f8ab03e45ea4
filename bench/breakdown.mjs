// What the time to exec is spent on: launches that stop at each station, in turns, and the differences between them.
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { median, milliseconds, run, section, table } from './race.mjs'

const ROOT = join(import.meta.dirname, '..')
/** A launch that ends where it is told. */
const STAGES = readFileSync(join(import.meta.dirname, 'stages.mjs'), 'utf8').replaceAll('../src/', './')

/** `launch` is the argv of a launch by the executable that ends in `true`. */
export function breakdown({ launch, directory, env, cwd, rounds }) {
  section(`What a launch without scope spends its time on (${rounds} rounds)`, [
    'Each station is the median, over the rounds, of how much longer a launch takes that gets one station further.',
    'The probe is built from the same sources in the same way as the executable; the last line compares the two.',
  ])
  const empty = makeProgram(join(directory, 'empty'), 'process.exit()')
  const probe = makeProgram(join(directory, 'stages'), STAGES)
  const [, ...args] = launch
  const upTo = (stage) => ({ name: stage, argv: [probe, ...args], env: { ...env, STAGE: stage } })
  const stations = [
    ['starting any process at all', { name: 'true', argv: ['/bin/true'] }],
    ['the runtime starts', { name: 'empty', argv: [empty] }],
    ['the program is loaded', upTo('load')],
    ['the registry is read, hashed and found compiled', upTo('registry')],
    ['the machine is looked at', upTo('host')],
    ['trials recalled, the plan, the line in the audit log', upTo('plan')],
    ['env resets the signals, then the server', upTo('exec')],
  ]
  const contestants = [...stations.map(([, contestant]) => contestant), { name: 'executable', argv: launch }]
  const results = run({ contestants, rounds, env, cwd })
  const times = (index) => results[index]?.times
  const whole = median(times(stations.length - 1))
  const rows = stations.map(([what], index) => {
    const cost = median(times(index).map((time, round) => time - (times(index - 1)?.[round] ?? 0)))
    return [what, milliseconds(cost), `${Math.round((100 * cost) / whole)} %`]
  })
  table([
    ['', 'ms', 'share'],
    ...rows,
    ['the probe as a whole', milliseconds(whole), '100 %'],
    ['the executable itself', milliseconds(median(times(stations.length))), ''],
  ])
}

/** A program of the launcher's build with another src/main.ts: built in a copy of the project, by its own build.mjs. */
function makeProgram(project, main) {
  mkdirSync(project)
  for (const part of ['build.mjs', 'package.json', 'src']) {
    cpSync(join(ROOT, part), join(project, part), { recursive: true })
  }
  symlinkSync(join(ROOT, 'node_modules'), join(project, 'node_modules'))
  writeFileSync(join(project, 'src', 'main.ts'), main)
  execFileSync(process.execPath, [join(project, 'build.mjs')], { stdio: ['ignore', 'ignore', 'inherit'] })
  return join(project, 'dist', 'mcp-launch')
}
