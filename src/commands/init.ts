import { dirname } from 'node:path'
import { errnoOf, errnoWords, LaunchError } from '../errors.ts'
import { EXAMPLE_REGISTRY } from '../registry/example.ts'
import { findRegistry, newRegistryPath } from '../registry/locate.ts'
import type { World } from '../world.ts'

/** `mcp-launch init`: writes an example registry where there is none, and tells what to do next. */
export function init(world: World, options: { readonly registry?: string; readonly json?: boolean }): void {
  const found = findRegistry(world, options.registry)
  if (found !== undefined && world.files.stat(found) !== undefined) throw alreadyThere(found)
  const path = found ?? newRegistryPath(world)
  try {
    world.files.makeDirectory(dirname(path))
    world.files.create(path, EXAMPLE_REGISTRY)
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') throw alreadyThere(path)
    throw new LaunchError('failure', {
      what: "can't write registry",
      subject: path,
      why: errnoWords(error),
      hint: 'choose another place: mcp-launch init --registry FILE',
      cause: error,
    })
  }
  world.terminal.writeOut(
    options.json
      ? `${JSON.stringify({ created: path }, null, 2)}\n`
      : nextSteps(path, options.registry === undefined ? '' : `--registry ${path} `),
  )
}

function alreadyThere(path: string): LaunchError {
  return new LaunchError('failure', {
    what: 'registry exists already',
    subject: path,
    hint: 'edit it, or write another one: mcp-launch init --registry FILE',
  })
}

function nextSteps(path: string, option: string): string {
  const words = [...option.split(' ').filter(Boolean), 'everything'].map((word) => JSON.stringify(word)).join(', ')
  return `wrote ${path}

next
  1. name your servers in it                  ${'$EDITOR'} ${path}
  2. see what it makes of them                mcp-launch ${option}list
  3. see what a launch would do, and why      mcp-launch ${option}explain everything
  4. put it into your client's configuration  "command": "mcp-launch", "args": [${words}]
`
}
