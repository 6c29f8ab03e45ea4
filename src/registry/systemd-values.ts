/**
 * What systemd 252 and later take for a scope's properties, checked here so that a slip is an error with a line number
 * and not a refusal of `systemd-run` at each launch. systemd.resource-control(5); parse_size(), parse_permyriad() and
 * slice_name_is_valid() in its source.
 */

const SIZE_FACTORS: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 }
const LARGEST_SIZE = 2 ** 63
const LARGEST_COUNT = 2 ** 32
const LARGEST_QUOTA_PERCENT = 1_000_000
const LONGEST_UNIT_NAME = 255

/** Bytes with a binary suffix, a share of the machine's memory, or `infinity`. Nothing at all is fine for swap only. */
export function isMemorySize(text: string, least: 0 | 1): boolean {
  if (text === 'infinity' || isShare(text)) return true
  const [, digits, fraction = '', suffix = ''] = /^(\d+)(\.\d+)?([KMGT]?)$/.exec(text) ?? []
  if (digits === undefined || (fraction !== '' && suffix === '')) return false
  const bytes = Number(digits + fraction) * (SIZE_FACTORS[suffix] ?? 1)
  return bytes >= least && bytes < LARGEST_SIZE
}

/** A share of one processor's time: `50%`, `200%`. */
export function isCpuQuota(text: string): boolean {
  const percent = percentage(text)
  return percent !== undefined && percent > 0 && percent <= LARGEST_QUOTA_PERCENT
}

/** A number of tasks, a share of the machine's limit, or `infinity`. */
export function isTaskCount(text: string): boolean {
  if (text === 'infinity' || isShare(text)) return true
  return /^\d+$/.test(text) && Number(text) >= 1 && Number(text) < LARGEST_COUNT
}

/** `a-b.slice` lies in `a.slice`, so each part between dashes must be there; the root slice is not for servers. */
export function isSliceName(text: string): boolean {
  const [, name] = /^([A-Za-z0-9:_.\\-]+)\.slice$/.exec(text) ?? []
  return name !== undefined && text.length <= LONGEST_UNIT_NAME && !/^-|--|-$/.test(name)
}

function isShare(text: string): boolean {
  const percent = percentage(text)
  return percent !== undefined && percent > 0 && percent <= 100
}

function percentage(text: string): number | undefined {
  const [, number] = /^(\d+(?:\.\d{1,2})?)%$/.exec(text) ?? []
  return number === undefined ? undefined : Number(number)
}
