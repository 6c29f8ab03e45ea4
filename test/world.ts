import { realWorld } from '../src/real-world.ts'
import type { World } from '../src/world.ts'

/** The real machine with some of it replaced: what a test hands to code that wants a world. */
export function testWorld(overrides: Partial<World> = {}): World {
  return { ...realWorld(), ...overrides }
}
