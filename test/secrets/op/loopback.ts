import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, createServer as createPlainServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import type { Answer, Question } from './real-sdk.ts'
import { USER_AUTH } from './token.ts'

const ROOT = join(import.meta.dirname, '../../..')

export type Runtime = 'node' | 'bun'
const RUNTIMES: Readonly<Record<Runtime, string>> = {
  node: process.execPath,
  bun: join(ROOT, 'node_modules/.bin/bun'),
}

/** Asks the real SDK in a process of its own that trusts the certificate in `ca`. */
export async function askRealSdk(
  runtime: Runtime,
  directory: string,
  question: Question,
  env: Readonly<Record<string, string>>,
): Promise<Answer[]> {
  const home = join(directory, 'home')
  mkdirSync(home, { recursive: true })
  const child = spawn(RUNTIMES[runtime], [join(import.meta.dirname, 'real-sdk.ts')], {
    cwd: home,
    env: { PATH: process.env['PATH'], HOME: home, ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  child.stdin.end(JSON.stringify(question))
  return (await json(child.stdout)) as Answer[]
}

export interface Loopback {
  readonly address: string
  /** `POST /path` of each request so far, or `connection`, or `CONNECT host:port`. */
  readonly requests: string[]
  close(): void
}

export type Answerer = (request: IncomingMessage, response: ServerResponse) => void

/** Makes a key and a certificate for {@link tlsServer}; tells why there are none, if there are none. */
export function makeCertificate(directory: string): string | undefined {
  const subject = ['-subj', '/CN=loopback', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2']
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-noenc', '-keyout', 'key.pem']
  try {
    execFileSync('openssl', ['req', '-x509', ...key, '-out', 'cert.pem', ...subject], { cwd: directory, stdio: 'pipe' })
    return undefined
  } catch (error) {
    if (process.env['CI'] === 'true') throw error
    return 'there is no openssl to make a certificate with'
  }
}

/** A TLS server on loopback that `directory`'s key and certificate belong to. */
export function tlsServer(directory: string, answer: Answerer): Promise<Loopback> {
  const requests: string[] = []
  const pair = { key: readFileSync(join(directory, 'key.pem')), cert: readFileSync(join(directory, 'cert.pem')) }
  const server = createTlsServer(pair, (request, response) => {
    requests.push(`${request.method} ${request.url}`)
    answer(request, response)
  })
  return listening(server, requests)
}

/** Accepts and never says a word, not even of TLS. */
export function silentServer(): Promise<Loopback> {
  const requests: string[] = []
  return listening(
    createPlainServer(() => requests.push('connection')),
    requests,
  )
}

/** An HTTP proxy that reaches nobody. */
export function uselessProxy(): Promise<Loopback> {
  const requests: string[] = []
  const server = createServer()
  server.on('connect', (request: IncomingMessage, socket: Socket) => {
    requests.push(`CONNECT ${request.url}`)
    socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n')
  })
  return listening(server, requests)
}

function listening(server: Server, requests: string[]): Promise<Loopback> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
  })
  server.on('tlsClientError', () => {})
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      const close = () => {
        for (const socket of sockets) socket.destroy()
        server.close()
      }
      resolve({ address: `127.0.0.1:${port}`, requests, close })
    })
  })
}

/** Answers every request alike. */
export function always(status: number, body = '{}'): Answerer {
  return (request, response) => {
    request.resume()
    response.writeHead(status, { 'content-type': 'application/json' }).end(body)
  }
}

/** Knows the account, so that the SDK goes on to prove that it has the key; then answers as `next` does. */
export function signingIn(next: Answerer): Answerer {
  const session = JSON.stringify({ userAuth: USER_AUTH, sessionID: 'abcdefghijklmnopqrstuvwxya' })
  const start = always(200, session)
  return (request, response) => (request.url?.endsWith('/auth/start') ? start : next)(request, response)
}

/** Breaks off in the middle of its answer. */
export const half: Answerer = (_, response) => {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': 1000 })
  response.write('{"userAuth":', () => response.destroy())
}

/** Takes the request and never answers. */
export const never: Answerer = (request) => {
  request.resume()
}
