import { Secret } from './secret.ts'

/** Parts of a value of at least this length are recognised; a shorter value only as a whole. */
const PART = 6
const HIDDEN = '[redacted]'

/**
 * Makes a text of unknown making fit to be shown: no control characters but newlines, and no part of these secrets,
 * as they are or encoded (base64, hexadecimal, percent). It finds them without taking a value out of its box.
 */
export function scrub(text: string, secrets: readonly Secret[]): string {
  const clean = withoutControls(text)
  const hidden = new Array<boolean>(clean.length).fill(false)
  for (const secret of secrets) {
    hideParts(clean, secret, hidden)
    hideShort(clean, secret, hidden)
  }
  for (const match of clean.matchAll(/[\w+/%-]{8,}={0,2}/g)) {
    const [word] = match
    if (decodings(word).some((decoded) => holdsPart(decoded, secrets))) {
      hidden.fill(true, match.index, match.index + word.length)
    }
  }
  return [...clean.matchAll(/[\s\S]/g)]
    .map(({ 0: letter, index }) => (!hidden[index] ? letter : hidden[index - 1] ? '' : HIDDEN))
    .join('')
}

/** CSI, OSC and the short ones of ECMA-48. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const ESCAPE_SEQUENCE = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-Z\\-_])/g

/** Escape sequences as a whole; what would move, hide or reorder text. */
function withoutControls(text: string): string {
  return text
    .replace(ESCAPE_SEQUENCE, '')
    .replace(/\r\n?/g, '\n')
    .replace(/[^\P{C}\n]|[\p{Zl}\p{Zp}]/gu, ' ')
}

function hideParts(text: string, secret: Secret, hidden: boolean[]): void {
  for (let start = 0; start + PART <= text.length; start += 1) {
    if (secret.includes(text.slice(start, start + PART))) hidden.fill(true, start, start + PART)
  }
}

/** Four bytes is the most that a character takes. */
function hideShort(text: string, secret: Secret, hidden: boolean[]): void {
  if (secret.byteLength >= PART * 4) return
  for (let length = 1; length < PART; length += 1) {
    for (let start = 0; start + length <= text.length; start += 1) {
      if (secret.equals(new Secret(text.slice(start, start + length)))) hidden.fill(true, start, start + length)
    }
  }
}

function holdsPart(text: string, secrets: readonly Secret[]): boolean {
  for (let start = 0; start + PART <= text.length; start += 1) {
    const part = text.slice(start, start + PART)
    if (secrets.some((secret) => secret.includes(part))) return true
  }
  return false
}

/** What a word may mean; base64 also from its second, third or fourth letter, in case something stands before it. */
function decodings(word: string): string[] {
  const base64 = [0, 1, 2, 3].map((start) => Buffer.from(word.slice(start), 'base64').toString())
  const hexadecimal = /[0-9a-f]{12,}/i.test(word)
    ? [0, 1].map((start) => Buffer.from(word.slice(start), 'hex').toString())
    : []
  return [...base64, ...hexadecimal, ...(word.includes('%') ? [percentDecoded(word)] : [])]
}

function percentDecoded(word: string): string {
  return Buffer.from(
    word.replace(/%([0-9a-f]{2})/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16))),
    'latin1',
  ).toString()
}
