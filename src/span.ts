/** More than clocks differ by. */
const CLOCK_TOLERANCE_MS = 5 * 60_000

/** A span of time in its largest unit: `3 h`. It is unknown if the clock was set back meanwhile. */
export function span(milliseconds: number): string {
  if (milliseconds < -CLOCK_TOLERANCE_MS) return 'an unknown time'
  const units: readonly [string, number][] = [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['min', 60_000],
    ['s', 1_000],
  ]
  const [unit, size] = units.find(([, length]) => milliseconds >= length) ?? ['s', 1_000]
  return `${Math.max(0, Math.floor(milliseconds / size))} ${unit}`
}

/** A time limit to a tenth of a second: `1.5 s`. */
export function seconds(milliseconds: number): string {
  return `${Math.round(milliseconds / 100) / 10} s`
}
