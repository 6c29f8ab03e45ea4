import type { World } from '../../world.ts'
import type { Policy } from './policy.ts'

/** Of the file that a policy of content is about; undefined for other policies, and if it can't be read. */
export function contentHash(world: World, policy: Policy): string | undefined {
  try {
    return policy.kind === 'content' ? world.sha256(world.files.read(policy.file)) : undefined
  } catch {
    return undefined
  }
}
