import { expect, test } from 'vitest'
import { type Conversation, converse } from '../../src/check/mcp-client.ts'

/** Talks to a Node program with `answer(id, result)` and the variables `method` and `params` of each request. */
function talkTo(onRequest: string, before = '', limitMs = 20_000): Promise<Conversation> {
  const script = `
    const answer = (id, result) => console.log(JSON.stringify({ result, jsonrpc: '2.0', id }))
    ${before}
    require('readline').createInterface({ input: process.stdin }).on('line', (line) => {
      const { id, method, params } = JSON.parse(line)
      if (method === 'initialize') {
        answer(id, { protocolVersion: '2025-06-18', capabilities: { tools: {} }, serverInfo: { name: 's', version: '1' } })
      }
      ${onRequest}
    })`
  return converse({
    argv: [process.execPath, '-e', script],
    env: {},
    cwd: '/',
    limitMs,
    client: { name: 'test', version: '1' },
    stop: new AbortController().signal,
    beforeEnd: () => {},
  })
}

const TOOL = `{ name: 't', inputSchema: { type: 'object' } }`
const WELL = { end: { code: 0, signal: null }, endedBy: 'end of input', stray: { lines: 0, first: '' } }

test('all pages of tools are counted', async () => {
  const pages = `if (method === 'tools/list') {
    const page = Number(params?.cursor ?? 0)
    answer(id, { tools: [${TOOL}, ${TOOL}], ...(page < 2 ? { nextCursor: String(page + 1) } : {}) })
  }`
  expect(await talkTo(pages)).toMatchObject({ ...WELL, tools: 6, initialized: { protocol: '2025-06-18', name: 's' } })
})

test('a server that names the same page again isn’t asked for ever', async () => {
  const same = `if (method === 'tools/list') answer(id, { tools: [${TOOL}], nextCursor: 'again' })`
  expect(await talkTo(same)).toMatchObject({ ...WELL, tools: 2 })
})

test('a long message whose end says what it is isn’t taken for garbage', async () => {
  const long = `if (method === 'tools/list') answer(id, { tools: [{ ...${TOOL}, description: 'x'.repeat(300_000) }] })`
  expect(await talkTo(long)).toMatchObject({ ...WELL, tools: 1 })
})

test('lines that are no messages are counted, and the first is kept', async () => {
  const logs = `console.log('starting up'); console.log(''); console.log('{"level":"info"}')`
  const answered = await talkTo(`if (method === 'tools/list') answer(id, { tools: [] })`, logs)
  expect(answered).toMatchObject({ tools: 0, stray: { lines: 2, first: 'starting up' } })
})

test('an end is seen although somebody else still holds the output open', async () => {
  const child = `require('child_process').spawn('sleep', ['3'], { stdio: 'inherit' }); process.exitCode = 7; process.stdin.destroy()`
  const heard = await talkTo('', `${child}; setTimeout(() => process.exit(7), 10)`)
  expect(heard).toMatchObject({ failure: { kind: 'ended' }, end: { code: 7 }, endedBy: 'itself' })
})

test('a server that can’t be started', async () => {
  const argv = ['/no/such/program'] as [string]
  const { signal: stop } = new AbortController()
  const call = { argv, env: {}, cwd: '/', limitMs: 1_000, client: { name: 'test', version: '1' }, stop }
  expect(await converse({ ...call, beforeEnd: () => {} })).toMatchObject({
    pid: undefined,
    failure: { kind: 'not started' },
  })
})

test('one that hears nothing is ended by force, and told of before', async () => {
  const deaf = `process.stdin.pause(); process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)`
  expect(await talkTo('', `${deaf}; process.stdin.on = () => process.stdin`, 300)).toMatchObject({
    failure: { kind: 'late' },
    endedBy: 'SIGKILL',
    end: { code: null, signal: 'SIGKILL' },
  })
})
