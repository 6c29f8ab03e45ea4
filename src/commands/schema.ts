import { registryJsonSchema } from '../registry/json-schema.ts'
import type { World } from '../world.ts'

/** `mcp-launch schema`: the registry's JSON Schema. */
export function schema(world: World): void {
  world.terminal.writeOut(`${JSON.stringify(registryJsonSchema(), null, 2)}\n`)
}
