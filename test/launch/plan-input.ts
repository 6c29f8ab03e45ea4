import type { Host } from '../../src/launch/host.ts'
import type { PlanInput } from '../../src/launch/plan.ts'
import type { Trial } from '../../src/launch/trial.ts'
import type { ServerEntry } from '../../src/registry/entry.ts'

/** A server with nothing special about it. */
export const SERVER: ServerEntry = {
  name: 'demo',
  enabled: true,
  command: 'demo-server',
  args: ['stdio'],
  env: {},
  secrets: {},
  path: [],
  inheritEnv: 'safe',
  passEnv: [],
  limits: {},
  slice: 'mcp-servers.slice',
  scope: 'auto',
  deathSignal: 'auto',
  stopTimeoutMs: 5_000,
  logs: 'off',
}

/** A Linux laptop where everything is there and works. */
export const HOST: Host = {
  platform: 'linux',
  pid: 4711,
  parent: { pid: 42, mainThread: true },
  tools: {
    env: '/usr/bin/env',
    prlimit: '/usr/bin/prlimit',
    setpriv: '/usr/bin/setpriv',
    'systemd-run': '/usr/bin/systemd-run',
    tail: '/usr/bin/tail',
  },
  runtimeDirectory: '/run/user/1000',
  manager: { listening: true, socket: '/run/user/1000/systemd/private' },
  openFiles: undefined,
}

export const ALL_WORKS: Trial = {
  env: undefined,
  prlimit: undefined,
  setpriv: undefined,
  scope: undefined,
  watch: undefined,
  expandEnvironmentFlag: true,
}

export function planInput(changes: Partial<PlanInput> = {}): PlanInput {
  return {
    server: SERVER,
    command: '/opt/demo-server',
    args: ['stdio'],
    cwd: '/home/ada',
    path: [],
    plainEnv: {},
    clientEnv: { HOME: '/home/ada', PATH: '/usr/bin' },
    secrets: [],
    secretDirectory: '/run/user/1000/mcp-launch/demo.4711.1',
    host: HOST,
    trial: ALL_WORKS,
    copy: [],
    watch: { unit: 'mcp-client-0123abcd@42-7.service', prefix: 'mcp-client-0123abcd@' },
    ...changes,
  }
}
