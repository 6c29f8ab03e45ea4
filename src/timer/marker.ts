/** Says of a file that it is ours: in a comment at its top. What lacks it is somebody else's and stays as it is. */
export const MARKER = 'made by mcp-launch timer install'

/** An XML declaration has to stand before any comment. */
const TOP_LINES = 2

export function isMarked(text: string): boolean {
  return text.split('\n', TOP_LINES).some((line) => line.includes(MARKER))
}
