import { expect, test } from 'vitest'
import { LaunchError } from '../../src/errors.ts'
import { answerFirstRequest } from '../../src/launch/failure.ts'
import { testWorld } from '../world.ts'

const ERROR = new LaunchError('unavailable', {
  what: "can't resolve",
  subject: 'op://v/i/f',
  why: 'no network',
  hint: 'plug it in',
})

/** Plays these chunks on stdin, then its end (or silence), and gives what was written to stdout. */
async function answer(chunks: readonly string[], after: 'end' | 'silence' = 'end'): Promise<string> {
  const rest = [...chunks]
  let written = ''
  const terminal = {
    stdinIsTerminal: false,
    stdoutIsTerminal: false,
    writeOut: (text: string) => {
      written += text
    },
    writeError: () => {},
    readInput: () => {
      const chunk = rest.shift()
      if (chunk !== undefined) return Promise.resolve(Buffer.from(chunk))
      return Promise.resolve(after === 'silence' ? ('timeout' as const) : undefined)
    },
  }
  await answerFirstRequest(testWorld({ terminal }), ERROR, 0)
  return written
}

const answered = (id: string | number) =>
  `${JSON.stringify({
    jsonrpc: '2.0',
    id,
    error: {
      code: -32000,
      message: 'mcp-launch: can\'t resolve "op://v/i/f": no network (hint: plug it in)',
      data: { exitCode: 75 },
    },
  })}\n`

test.each<[string, string[], string]>([
  ['initialize', ['{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}\n'], answered(0)],
  ['another first request', ['{"jsonrpc":"2.0","id":"a","method":"tools/list"}\n'], answered('a')],
  ['a request in pieces', ['{"jsonrpc":"2.0",', '"id":1,"meth', 'od":"ping"}', '\n'], answered(1)],
  ['a request without a line end', ['{"jsonrpc":"2.0","id":1,"method":"ping"}'], answered(1)],
  ['CRLF', ['{"jsonrpc":"2.0","id":1,"method":"ping"}\r\n'], answered(1)],
  [
    'notifications and responses before it',
    [
      '{"jsonrpc":"2.0","method":"notifications/x"}\n{"jsonrpc":"2.0","id":9,"result":{}}\n{"jsonrpc":"2.0","id":2,"method":"ping"}\n',
    ],
    answered(2),
  ],
  ['two requests: the first', ['{"id":1,"method":"a"}\n{"id":2,"method":"b"}\n'], answered(1)],
  ['a batch', ['[{"jsonrpc":"2.0","method":"n"},{"jsonrpc":"2.0","id":3,"method":"ping"}]\n'], answered(3)],
  ['noise before it', ['\n\nhello\n{"id":4,"method":"ping"}\n'], answered(4)],
  ['nothing', [], ''],
  ['no request', ['{"jsonrpc":"2.0","method":"n"}\n', 'null\n', '"x"\n', '{"id":null,"method":"x"}\n'], ''],
])('%s', async (_, chunks, expected) => {
  expect(await answer(chunks)).toBe(expected)
})

test('silence: nothing is written', async () => {
  expect(await answer([], 'silence')).toBe('')
})

test('a stream without a line end is given up', async () => {
  expect(await answer(Array.from({ length: 40 }, () => 'x'.repeat(65_536)))).toBe('')
})
