// A client in Node. HOW is `main` or `worker`, a thread that ends at once; then the launcher's argv, for each server that
// follows. It holds each one's stdin, gives it its own stdout, and on a line of input takes memory until it dies.
// node-client.mjs HOW LAUNCHER… -- SERVER…
import { spawn } from 'node:child_process'
import { Worker } from 'node:worker_threads'

const [how, ...rest] = process.argv.slice(2)
const launcher = rest.slice(0, rest.indexOf('--'))
const servers = rest.slice(rest.indexOf('--') + 1)

const inWorker = `
const { spawn } = require('node:child_process')
const { workerData } = require('node:worker_threads')
spawn(workerData[0], workerData.slice(1), { stdio: ['pipe', 1, 2] }).once('spawn', () => process.exit())
`

for (const server of servers) {
  const argv = [...launcher, server]
  if (how === 'worker') new Worker(inWorker, { eval: true, workerData: argv })
  else spawn(argv[0], argv.slice(1), { stdio: ['pipe', 1, 2] })
}

setInterval(() => {}, 60_000)
process.stdin.once('data', () => {
  const kept = []
  for (;;) kept.push(Buffer.alloc(16 * 1024 * 1024, 1))
})
