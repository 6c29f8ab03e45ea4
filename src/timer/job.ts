import { homeDirectory } from '../directories.ts'
import { pathDirectories } from '../programs.ts'
import type { Environment, World } from '../world.ts'
import { networkVariables } from './network.ts'
import type { Schedule } from './schedule.ts'

/** What is to be run, and when: all that a unit, a LaunchAgent or a line of a crontab is made from. */
export interface Job {
  /** Absolute program first. */
  readonly argv: readonly [string, ...string[]]
  /** Places, and how to get out of the network; never a credential. */
  readonly env: Environment
  readonly schedule: Schedule
}

/**
 * Variables that say where things are, without which the job would fill another cache, or not find the programs that
 * `command:` references and the notification need: a manager's PATH is seldom the shell's.
 */
const PLACES = ['HOME', 'XDG_CONFIG_HOME', 'XDG_CACHE_HOME', 'XDG_STATE_HOME', 'SOPS_AGE_KEY_FILE']

/** `secrets refresh --scheduled` of this registry (absolute), at its times. */
export function refreshJob(world: World, registryPath: string, schedule: Schedule): Job {
  const [program, ...words] = programWords(world)
  return {
    argv: [program, ...words, 'secrets', 'refresh', '--scheduled', '--registry', registryPath],
    env: Object.fromEntries([...placesOf(world), ...networkVariables(world.env)]),
    schedule,
  }
}

function placesOf(world: World): [string, string][] {
  const places = PLACES.flatMap((name): [string, string][] => {
    const value = name === 'HOME' ? homeDirectory(world) : world.env[name]
    return value?.startsWith('/') ? [[name, value]] : []
  })
  const path = pathDirectories(world).join(':')
  return path === '' ? places : [...places, ['PATH', path]]
}

const NIX_STORE = '/nix/store/'

/**
 * This program. A path in the Nix store is one version's and is collected some time after the next: where a profile has
 * `mcp-launch` on the PATH, its link outlives that.
 */
function programWords(world: World): readonly [string, ...string[]] {
  const { self } = world.processes
  if (!self.some((word) => word.startsWith(NIX_STORE))) return self
  const link = pathDirectories(world)
    .filter((directory) => !directory.startsWith(NIX_STORE))
    .map((directory) => `${directory}/mcp-launch`)
    .find((path) => world.files.isExecutable(path))
  return link === undefined ? self : [link]
}
