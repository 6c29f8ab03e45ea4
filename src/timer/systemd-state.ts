import { EXIT } from '../errors.ts'
import { type Properties, propertiesOf, timeOf } from '../lifecycle/units.ts'
import type { RunResult, TimerState } from './scheduler.ts'
import { SERVICE, TIMER } from './systemd-text.ts'

/** What {@link stateFrom} has to be shown. */
export const PROPERTIES =
  'Id,ActiveState,UnitFileState,NextElapseUSecRealtime,Result,ExecMainStatus,ExecMainStartTimestamp'

/** What `systemctl show` says of the timer and its service, in `LC_ALL=C` and `TZ=UTC`. */
export function stateFrom(shown: string): Omit<TimerState, 'installed'> {
  const units = new Map(
    shown.split(/\n\n+/).map((text) => {
      const properties = propertiesOf(text)
      return [properties['Id'], properties]
    }),
  )
  const timer = units.get(TIMER) ?? {}
  const service = units.get(SERVICE) ?? {}
  const nextRun = timeOf(timer['NextElapseUSecRealtime'])
  const lastRun = timeOf(service['ExecMainStartTimestamp'])
  const lastResult = resultOf(service)
  return {
    kind: 'systemd',
    active: timer['ActiveState'] === 'active' && timer['UnitFileState'] === 'enabled',
    ...(nextRun === undefined ? {} : { nextRun }),
    ...(lastRun === undefined ? {} : { lastRun }),
    ...(lastResult === undefined ? {} : { lastResult }),
  }
}

/** Undefined if it never ran: a service that was never started has the result `success` too. */
function resultOf(service: Properties): RunResult | undefined {
  if (service['ActiveState'] === 'activating') return { outcome: 'running' }
  const { Result: result = '', ExecMainStatus: status = '' } = service as { Result?: string; ExecMainStatus?: string }
  if (result !== 'success')
    return { outcome: 'failure', how: result === 'exit-code' ? `exit status ${status}` : result }
  if (timeOf(service['ExecMainStartTimestamp']) === undefined) return undefined
  return { outcome: status === String(EXIT.unavailable) ? 'unavailable' : 'success' }
}
