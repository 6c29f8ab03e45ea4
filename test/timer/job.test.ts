import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { realWorld } from '../../src/real-world.ts'
import { refreshJob } from '../../src/timer/job.ts'
import { scheduleFor } from '../../src/timer/schedule.ts'
import { temporaryDirectory } from '../temporary.ts'
import { testWorld } from '../world.ts'

const HOURLY = scheduleFor(3_600_000)

const world = (env: Record<string, string>, self: readonly [string, ...string[]] = ['/opt/mcp-launch']) =>
  testWorld({ env, processes: { ...realWorld().processes, self } })

test('so is what gets out of the network, unless there may be a password in it', () => {
  const fit = {
    HTTPS_PROXY: 'http://proxy:8080',
    no_proxy: 'localhost,.lan',
    NODE_USE_ENV_PROXY: '1',
    NODE_EXTRA_CA_CERTS: '/etc/ca.pem',
    SSL_CERT_DIR: '/etc/certs',
  }
  const unfit = { HTTP_PROXY: 'http://me:canary@proxy', ALL_PROXY: 'me:canary@proxy:80', SSL_CERT_FILE: 'relative.pem' }
  expect(refreshJob(world({ HOME: '/h', ...fit, ...unfit }), '/r', HOURLY).env).toEqual({ HOME: '/h', ...fit })
})

test('places are copied, and nothing else', () => {
  const places = { HOME: '/h', XDG_CACHE_HOME: '/c', SOPS_AGE_KEY_FILE: '/k' }
  const others = {
    OP_SERVICE_ACCOUNT_TOKEN: 'ops_x',
    SOPS_AGE_KEY: 'AGE-SECRET-KEY-1X',
    GITHUB_TOKEN: 'ghp_x',
    A: '/b',
  }
  const { env, argv } = refreshJob(
    world({ ...places, ...others, PATH: '/usr/bin:.:relative::/bin' }),
    '/r.yaml',
    HOURLY,
  )
  expect(env).toEqual({ ...places, PATH: '/usr/bin:/bin' })
  expect(argv).toEqual(['/opt/mcp-launch', 'secrets', 'refresh', '--scheduled', '--registry', '/r.yaml'])
})

test('a relative place is none (XDG), and a PATH may be missing', () => {
  expect(refreshJob(world({ HOME: '/h', XDG_CACHE_HOME: 'c' }), '/r', HOURLY).env).toEqual({ HOME: '/h' })
})

test('a version in the Nix store gives way to the profile’s link', () => {
  const bin = `${temporaryDirectory()}/bin`
  mkdirSync(bin)
  writeFileSync(`${bin}/mcp-launch`, '')
  const self = ['/nix/store/abc-node/bin/node', '/nix/store/abc-mcp-launch/lib/mcp-launch.cjs'] as const
  const argv = (path: string) => refreshJob(world({ HOME: '/h', PATH: path }, self), '/r', HOURLY).argv
  expect(argv(bin).slice(0, 2)).toEqual([...self])
  chmodSync(`${bin}/mcp-launch`, 0o755)
  expect(argv(bin).slice(0, 2)).toEqual([`${bin}/mcp-launch`, 'secrets'])
})
