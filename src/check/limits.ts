import type { Host } from '../launch/host.ts'
import { scopeArguments } from '../launch/trial.ts'
import type { Limits } from '../registry/entry.ts'
import type { World } from '../world.ts'

/** By the kernel's controllers. */
export type LimitName = 'memory' | 'tasks' | 'cpu'

export function limitsOf({ memoryMax, memoryHigh, memorySwapMax, tasksMax, cpuQuota }: Limits): LimitName[] {
  return [
    ...([memoryMax, memoryHigh, memorySwapMax].some((value) => value !== undefined) ? (['memory'] as const) : []),
    ...(tasksMax === undefined ? [] : (['tasks'] as const)),
    ...(cpuQuota === undefined ? [] : (['cpu'] as const)),
  ]
}

/** Values that nobody else sets, so that a limit found is ours. */
const PROPERTIES = ['MemoryMax=67112960', 'TasksMax=77', 'CPUQuota=37%']

/** Prints what the kernel has for the scope that it runs in; version 2 first, then version 1 trees. */
const SCRIPT = `
while IFS=: read -r _ controllers path; do
  case "$controllers" in
    '') at=/sys/fs/cgroup$path; for file in memory.max pids.max cpu.max; do [ -r "$at/$file" ] && echo "$file $(cat "$at/$file")"; done ;;
    *memory*) echo "memory.max $(cat "/sys/fs/cgroup/memory$path/memory.limit_in_bytes")" ;;
    *pids*) echo "pids.max $(cat "/sys/fs/cgroup/pids$path/pids.max")" ;;
    *cpuacct*|*cpuset*) ;;
  esac
  case ",$controllers," in
    *,cpu,*) at=/sys/fs/cgroup/$controllers$path; [ -r "$at/cpu.cfs_quota_us" ] && echo "cpu.max $(cat "$at/cpu.cfs_quota_us" "$at/cpu.cfs_period_us" | tr '\\n' ' ')" ;;
  esac
done < /proc/self/cgroup 2>/dev/null
exit 0`

const TIMEOUT_MS = 5_000

/** Which limits the kernel really holds for a scope; undefined if no scope could be had to see. */
export async function heldLimits(world: World, host: Host): Promise<ReadonlySet<LimitName> | undefined> {
  const file = host.tools['systemd-run']
  if (file === undefined || host.runtimeDirectory === undefined) return undefined
  const unit = `mcp-check-${world.pid}-${world.now()}.scope`
  const scope = { slice: 'mcp-servers.slice', properties: PROPERTIES }
  // The flag of systemd 254 isn't needed: the words hold no variable that systemd would know.
  const args = [...scopeArguments(unit, 'mcp-launch check', scope, ''), '/bin/sh', '-s']
  const { end, stdout } = await world.processes.run({
    file,
    args,
    env: { LC_ALL: 'C', PATH: '/usr/bin:/bin:/run/current-system/sw/bin', XDG_RUNTIME_DIR: host.runtimeDirectory },
    cwd: '/',
    timeoutMs: TIMEOUT_MS,
    input: Buffer.from(SCRIPT),
  })
  if (end.kind !== 'exit' || end.code !== 0) return undefined
  return limitsIn(stdout.toString())
}

function limitsIn(text: string): Set<LimitName> {
  const values = new Map(text.split('\n').map((line) => line.split(/ (.*)/s) as [string, string]))
  const held = new Set<LimitName>()
  if (values.get('memory.max') === '67112960') held.add('memory')
  if (values.get('pids.max') === '77') held.add('tasks')
  const [quota, period] = (values.get('cpu.max') ?? '').trim().split(/\s+/).map(Number)
  if (quota !== undefined && period !== undefined && Math.round((100 * quota) / period) === 37) held.add('cpu')
  return held
}
