import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { registryPath } from '../../src/registry/locate.ts'
import { testWorld } from '../world.ts'
import { complaints, temporaryHome } from './home.ts'

describe('the registry file is', () => {
  it('the first of servers.yaml, servers.yml and servers.json', () => {
    const { world, write } = temporaryHome()
    const json = write('.config/mcp/servers.json', '{}')
    expect(registryPath(world, undefined)).toBe(json)
    const yml = write('.config/mcp/servers.yml', '')
    expect(registryPath(world, undefined)).toBe(yml)
    const yaml = write('.config/mcp/servers.yaml', '')
    expect(registryPath(world, undefined)).toBe(yaml)
  })

  it('in XDG_CONFIG_HOME, unless that is relative', () => {
    const { world, directory, write } = temporaryHome()
    const other = write('other/mcp/servers.yaml', '')
    const own = write('.config/mcp/servers.yaml', '')
    const within = (XDG_CONFIG_HOME: string) => ({ ...world, env: { ...world.env, XDG_CONFIG_HOME } })
    expect(registryPath(within(join(directory, 'other')), undefined)).toBe(other)
    expect(registryPath(within('other'), undefined)).toBe(own)
    expect(registryPath(within(''), undefined)).toBe(own)
  })

  it('what the option says, else what MCP_LAUNCH_REGISTRY says, there or not', () => {
    const { world, directory } = temporaryHome({ MCP_LAUNCH_REGISTRY: '~/env.yaml' })
    expect(registryPath(world, 'option.yaml')).toBe(join(directory, 'option.yaml'))
    expect(registryPath(world, '/abs/option.yaml')).toBe('/abs/option.yaml')
    expect(registryPath(world, undefined)).toBe(join(directory, 'env.yaml'))
  })

  it('nowhere', () => {
    const { world, directory } = temporaryHome()
    expect(complaints(() => registryPath(world, undefined))).toEqual([
      `no registry: looked for servers.yaml, servers.yml, servers.json in ${directory}/.config/mcp -> mcp-launch init`,
    ])
  })

  it('not to be found without HOME', () => {
    const world = testWorld({ env: {} })
    expect(complaints(() => registryPath(world, undefined))[0]).toMatch(
      /^can't find the home directory: HOME is not set/,
    )
    expect(registryPath(world, '/r.yaml')).toBe('/r.yaml')
  })
})
