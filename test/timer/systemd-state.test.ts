import { expect, test } from 'vitest'
import { stateFrom } from '../../src/timer/systemd-state.ts'

test('times may have a fraction of a second', () => {
  const shown = (time: string) =>
    `Id=mcp-launch-refresh.timer\nActiveState=active\nUnitFileState=enabled\nNextElapseUSecRealtime=${time}\n\n` +
    `Id=mcp-launch-refresh.service\nResult=success\nExecMainStatus=0\nExecMainStartTimestamp=${time}\n`
  for (const [time, ms] of [
    ['Fri 2026-11-20 09:38:09 UTC', 0],
    ['Fri 2026-11-20 09:38:09.125000 UTC', 125],
  ] as const) {
    const at = Date.UTC(2026, 10, 20, 9, 38, 9) + ms
    expect(stateFrom(shown(time))).toEqual({
      ...{ kind: 'systemd', active: true, nextRun: at, lastRun: at },
      lastResult: { outcome: 'success' },
    })
  }
})
