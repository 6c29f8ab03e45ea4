// A launch that ends where STAGE says: breakdown.mjs builds it as build.mjs builds the launcher, and tells what a
// station of the road costs from the difference between two of them.
import { parseInvocation } from '../src/invocation.ts'
import { inspectHost } from '../src/launch/host.ts'
import { launch } from '../src/launch/launch.ts'
import { realWorld } from '../src/real-world.ts'
import { registryPath } from '../src/registry/locate.ts'
import { lookUp } from '../src/registry/lookup.ts'

async function launchUpTo(stage) {
  if (stage === 'load') return
  const world = realWorld()
  const { registry, server } = parseInvocation(world.argv)
  const registered = await lookUp(world, registryPath(world, registry), server)
  if (stage === 'registry') return
  if (stage === 'host') {
    inspectHost(world)
    return
  }
  const processes = stage === 'plan' ? { ...world.processes, replace: () => process.exit() } : world.processes
  // Never so: it puts into this program what is in the launcher besides.
  if (stage === 'commands') await import('../src/cli.ts')
  await launch({ ...world, processes }, registered, [])
}

launchUpTo(process.env.STAGE).then(() => process.exit())
