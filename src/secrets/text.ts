/**
 * The text of a source's bytes, less the one newline that ends a file or an output and doesn't belong to the value.
 * Undefined if they aren't UTF-8: a mended text would be another secret.
 */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes).replace(/\r?\n$/, '')
  } catch {
    return undefined
  }
}
