// Runs on Bun, started by race.mjs: its spawnSync adds next to nothing to a run of /bin/true (Node's adds as much again,
// and so would make every ratio look better than it is). A race comes as JSON on stdin, its times go as JSON to stdout.

/** The first request of every MCP client. */
const INITIALIZE = `${JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'bench', version: '1' } },
})}\n`

const { contestants, rounds, warmUp } = await Bun.stdin.json()
const times = contestants.map(() => [])
for (let round = -warmUp; round < rounds; round += 1) {
  for (const [index, contestant] of contestants.entries()) {
    const start = Bun.nanoseconds()
    const finish = contestant.copies === 1 ? once(contestant) : await many(contestant)
    const milliseconds = (Bun.nanoseconds() - start) / 1e6
    await finish()
    if (round >= 0) times[index].push(milliseconds)
  }
}
console.log(JSON.stringify(times))

/** A launcher that fails is quick too, so its exit status is looked at. */
function once({ name, argv, env, cwd }) {
  const { exitCode, stderr } = Bun.spawnSync({ cmd: argv, env, cwd, stdin: 'ignore', stdout: 'ignore', stderr: 'pipe' })
  return () => {
    if (exitCode !== 0) throw new Error(`${name} ended with ${exitCode}: ${stderr.toString().trim()}`)
  }
}

/** All at the same moment, until the last of them has got there. */
async function many({ name, argv, env, cwd, copies, until }) {
  const answer = until === 'answer'
  const children = Array.from({ length: copies }, () =>
    Bun.spawn({
      cmd: argv,
      env,
      cwd,
      stdin: answer ? 'pipe' : 'ignore',
      stdout: answer ? 'pipe' : 'ignore',
      stderr: 'ignore',
    }),
  )
  await Promise.all(children.map(answer ? firstAnswer : ended))
  return async () => {
    if (answer) for (const child of children) child.kill('SIGKILL')
    const codes = await Promise.all(children.map(ended))
    if (!answer && codes.some((code) => code !== 0)) throw new Error(`${name} ended with ${codes}`)
  }
}

async function firstAnswer(child) {
  child.stdin.write(INITIALIZE)
  child.stdin.flush()
  const { done } = await child.stdout.getReader().read()
  if (done) throw new Error(`a server ended with ${await child.exited} before it answered`)
}

function ended(child) {
  return child.exited
}
