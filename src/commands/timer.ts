import { EXIT } from '../errors.ts'
import { inspectHost } from '../launch/host.ts'
import { noteText } from '../report/messages.ts'
import { installedText, isWell, removedText, statusText } from '../report/timer.ts'
import { readMeta } from '../secrets/cache/meta.ts'
import { places } from '../secrets/cache/places.ts'
import type { Wanted } from '../secrets/cache/policy.ts'
import { failing } from '../secrets/cache/repeated-failures.ts'
import { allWanted, specsOf } from '../secrets/open.ts'
import { span } from '../span.ts'
import { chooseScheduler } from '../timer/choose.ts'
import { refreshJob } from '../timer/job.ts'
import { missingCredentials } from '../timer/missing-credentials.ts'
import { scheduleForAll } from '../timer/schedule.ts'
import type { World } from '../world.ts'
import { type Selection, select } from './secrets/selection.ts'

export interface TimerOptions {
  readonly registry?: string
  readonly json?: boolean
}

/**
 * `mcp-launch timer install`: has the machine refresh the cache before its values expire. Where it has nothing to do
 * that with, it prints the line for a crontab.
 */
export async function timerInstall(world: World, options: TimerOptions): Promise<void> {
  const selection = select(world, [], options.registry)
  const { registryPath, settings } = selection.context
  const items = refreshed(world, selection)
  const { schedule, shortestMs } = scheduleForAll(settings.cache.ttlMs, items)
  const job = refreshJob(world, registryPath, schedule)
  const scheduler = await chooseScheduler(world, inspectHost(world))
  const installed = await scheduler.install(job)
  const notes = [
    ...(installed.line === undefined ? [] : [`${installed.why}: add this line to your crontab, with crontab -e`]),
    ...(schedule.stepMs + schedule.spreadMs >= shortestMs
      ? [`some values live ${span(shortestMs)} and expire between two runs, every ${span(schedule.stepMs)}`]
      : []),
    ...missingCredentials(items, settings, world.env, Object.keys(job.env)),
  ]
  for (const note of notes) world.terminal.writeError(noteText(note))
  print(world, options, { ...installed, everyMs: schedule.stepMs, notes }, installedText(installed, schedule))
}

/** `mcp-launch timer remove`: takes away what `timer install` made, and nothing else. */
export async function timerRemove(world: World, options: TimerOptions): Promise<void> {
  const scheduler = await chooseScheduler(world, inspectHost(world))
  const removed = await scheduler.remove()
  if (removed.remark !== undefined) world.terminal.writeError(noteText(removed.remark))
  print(world, options, removed, removedText(removed))
}

/**
 * `mcp-launch timer status`: whether it is there, when it runs, how it went, and what it can't refresh.
 *
 * @returns 0 if all is well, else 1.
 */
export async function timerStatus(world: World, options: TimerOptions): Promise<number> {
  const items = refreshed(world, select(world, [], options.registry))
  const scheduler = await chooseScheduler(world, inspectHost(world))
  const report = { ...(await scheduler.status()), failing: failing(readMeta(world, places(world)), items) }
  print(world, options, report, statusText(report, world.now()))
  return isWell(report) ? 0 : EXIT.failure
}

/** What a scheduled refresh asks for. */
function refreshed(world: World, { context, servers }: Selection): Wanted[] {
  const specs = servers.flatMap((server) => specsOf(server).map(([, spec]) => spec))
  return allWanted(world, context, specs).filter(({ policy }) => policy.kind !== 'never')
}

function print(world: World, { json }: TimerOptions, facts: object, text: string): void {
  world.terminal.writeOut(json ? `${JSON.stringify(facts, null, 2)}\n` : text)
}
