const INT64_MIN = -(2n ** 63n)
const INT64_MAX = 2n ** 63n - 1n

/** An integer as Go's `strconv.Itoa` writes it; undefined if it isn't one that fits into 64 bits. */
export function goInt(text: string): string | undefined {
  if (!/^[+-]?\d{1,30}$/.test(text)) return undefined
  const value = BigInt(text)
  return value >= INT64_MIN && value <= INT64_MAX ? value.toString() : undefined
}

/** A number as Go's `strconv.FormatFloat(value, 'f', -1, 64)` writes it; undefined if it isn't one. */
export function goFloat(text: string): string | undefined {
  const special = /^([+-]?)(inf|infinity|nan)$/i.exec(text)
  if (special !== null) return special[2]?.toLowerCase() === 'nan' ? 'NaN' : `${special[1] || '+'}Inf`
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) return undefined
  const value = Number(text)
  return Number.isFinite(value) ? decimal(value) : undefined
}

/** An integer of 64 bits as such, anything else as a float: how SOPS takes a number of a file. */
export function goNumber(text: string): string | undefined {
  return goInt(text) ?? goFloat(text)
}

/** The shortest digits that give `value` back, as in JavaScript, and never an exponent, as in Go. */
function decimal(value: number): string {
  if (Object.is(value, -0)) return '-0'
  const match = /^(-?)(\d)(?:\.(\d+))?e([+-]\d+)$/.exec(String(value))
  if (match === null) return String(value)
  const [, sign = '', first = '', rest = '', exponent = '0'] = match
  const digits = first + rest
  const point = 1 + Number(exponent)
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`
  return sign + digits.padEnd(point, '0')
}
