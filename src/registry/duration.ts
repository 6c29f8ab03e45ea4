const UNITS_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

const DURATION = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/

/** `4h`, `500ms`, `1h30m` in milliseconds; undefined for anything else, a number without a unit included. */
export function parseDuration(text: string): number | undefined {
  if (!DURATION.test(text)) return undefined
  let total = 0
  for (const [, amount, unit] of text.matchAll(/([\d.]+)([a-z]+)/g)) {
    total += Number(amount) * UNITS_MS[unit as keyof typeof UNITS_MS]
  }
  return Math.round(total)
}
