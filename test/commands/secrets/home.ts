import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LaunchError } from '../../../src/errors.ts'
import { places } from '../../../src/secrets/cache/places.ts'
import { wanted } from '../../../src/secrets/cache/policy.ts'
import { questionLock, questionOf } from '../../../src/secrets/cache/question.ts'
import { openStore, type Store } from '../../../src/secrets/cache/store.ts'
import { parseRef } from '../../../src/secrets/parse-ref.ts'
import type { World } from '../../../src/world.ts'
import { temporaryDirectory } from '../../temporary.ts'
import { testWorld } from '../../world.ts'

/** A user at a terminal, with a registry and commands that give its secrets. */
export class User {
  readonly home = temporaryDirectory()
  readonly world: World
  /** Added to the clock. */
  shift = 0
  #out = ''

  constructor(env: Readonly<Record<string, string>> = {}) {
    const terminal = { ...testWorld().terminal, writeOut: (text: string) => this.#hear(text) }
    this.world = testWorld({
      env: { HOME: this.home, PATH: process.env['PATH'] ?? '', ...env },
      now: () => Date.now() + this.shift,
      terminal,
    })
  }

  #hear(text: string): void {
    this.#out += text
  }

  /** By server: its secrets. */
  register(servers: Readonly<Record<string, object>>, more: object = {}): void {
    const entries = Object.entries(servers).map(([name, secrets]) => [name, { command: 'true', secrets }])
    this.write('.config/mcp/servers.yaml', JSON.stringify({ ...more, servers: Object.fromEntries(entries) }))
  }

  write(path: string, content: string, mode = 0o600): string {
    const file = join(this.home, path)
    mkdirSync(join(file, '..'), { recursive: true, mode: 0o700 })
    writeFileSync(file, content, { mode })
    return file
  }

  /** A secret whose command does this. */
  script(name: string, text: string): { command: string[] } {
    return { command: [this.write(`${name}.sh`, `#!/bin/sh\n${text}\n`, 0o700)] }
  }

  /** What was printed since the last call, less the home. */
  said(): string {
    const text = this.#out.replaceAll(this.home, '~')
    this.#out = ''
    return text
  }

  /** The lock of whoever runs this command. */
  lockOf(secret: { command: string[] }): string {
    const cache = { ttlMs: 0, stale: 'warn', maxStaleMs: 0, resolveTimeoutMs: 0 } as const
    const directory = join(this.home, '.config/mcp')
    const onepassword = { token: parseRef('env:T') }
    const item = wanted(parseRef(secret), {}, { cache, onepassword }, (file) => join(directory, file))
    return questionLock(this.world, places(this.world), questionOf(item))
  }

  async store(): Promise<Store> {
    const store = await openStore(this.world, () => {})
    if (store instanceof LaunchError) throw store
    return store
  }

  /** The values in the cache, by the ends of their keys. */
  async cached(): Promise<string[]> {
    return [...(await (await this.store()).readValues()).values()].map(({ value }) => value.reveal()).sort()
  }
}
