import type { Finished } from './world.ts'

const LONGEST = 200

/** Why a tool of the system's did not do what it was asked to, in a few words: the last that it said, else how it ended. */
export function complaintOf(tool: string, { stderr, end }: Finished): string {
  const said = stderr.trim().split('\n').at(-1) ?? ''
  if (said !== '') return said.slice(0, LONGEST)
  switch (end.kind) {
    case 'exit':
      return `${tool} ended with ${end.code}`
    case 'signal':
      return `${tool} was ended by ${end.signal}`
    case 'timeout':
      return `${tool} didn't answer in time`
    case 'too-much-output':
      return `${tool} said too much`
    case 'not-started':
      return end.errno === 'ENOENT' ? `there is no ${tool} here` : `${tool} can't be started (${end.errno})`
  }
}
