import type { Problem } from './problem.ts'

/** The file as text, a byte order mark taken off. Reports what no text file has. */
export function decodeText(bytes: Uint8Array, report: (problem: Problem) => void): string | undefined {
  const text = decodeUtf8(bytes)
  if (text === undefined) {
    report({ offset: undefined, why: 'is not UTF-8 text', hint: 'save it as UTF-8 in the editor' })
    return undefined
  }
  const nul = text.indexOf('\0')
  if (nul !== -1) report({ offset: nul, why: 'has a NUL character' })
  return text
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}
