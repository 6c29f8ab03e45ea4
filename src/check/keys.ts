import { LaunchError } from '../errors.ts'
import type { ServerEntry } from '../registry/entry.ts'
import { defaultKeyFiles, type KeyPlace, keyPlaces } from '../secrets/age/key-places.ts'
import { parseKeys } from '../secrets/age/key-text.ts'
import { specsOf } from '../secrets/open.ts'
import type { World } from '../world.ts'
import { count, errorFindings, type Report } from './finding.ts'

const LIMIT_MS = 10_000

/** Where SOPS keeps age keys: which of those places have some, and whether they can be used. */
export async function checkKeys(world: World, servers: readonly ServerEntry[], report: Report): Promise<void> {
  const kinds = new Set(servers.flatMap((server) => specsOf(server).map(([, { from }]) => from.kind)))
  if (!kinds.has('sops') && !kinds.has('age')) return
  const places = keyPlaces(world)
  const found = await Promise.all(places.map((place) => checkPlace(world, place, report)))
  if (found.some((inUse) => inUse)) return
  report({
    severity: 'warning',
    area: 'keys',
    subject: '',
    what: 'no age key',
    why: `there is none in ${places.map(({ name }) => name).join(', ')}`,
    action: `put your age key into ${defaultKeyFiles(world)[0] ?? 'the file that SOPS_AGE_KEY_FILE names'} (chmod 600)`,
  })
}

/** @returns whether the place is in use at all. */
async function checkPlace(world: World, place: KeyPlace, report: Report): Promise<boolean> {
  try {
    const text = await place.read(undefined, world.now() + LIMIT_MS)
    if (text === undefined) return false
    const { keys, unusable, malformedLines } = await parseKeys(text, place.layout)
    const base = { area: 'keys', subject: place.name, what: 'age keys in' } as const
    if (malformedLines.length > 0) {
      report({
        severity: 'error',
        ...base,
        code: 'failure',
        why: `line ${malformedLines.join(', ')} is not an age identity`,
        action: 'it must be one AGE-SECRET-KEY-… to a line, as age-keygen writes it, or a comment',
      })
    } else if (keys.length > 0) {
      const others = unusable.length === 0 ? '' : `; left to the sops program: ${unusable.join(', ')}`
      const recipients = keys.map(({ recipient }) => shortened(recipient)).join(', ')
      report({ severity: 'ok', ...base, why: `${count(keys.length, 'key')} (${recipients})${others}` })
    } else {
      const why = unusable.length === 0 ? 'there is none in it' : `only the sops program can use ${unusable.join(', ')}`
      report({ severity: 'warning', ...base, why, action: 'add one that age-keygen made' })
    }
  } catch (error) {
    if (!(error instanceof LaunchError)) throw error
    for (const finding of errorFindings('keys', place.name, error)) report(finding)
  }
  return true
}

/** A post-quantum recipient has 2,000 characters. */
function shortened(recipient: string): string {
  return recipient.length <= 70 ? recipient : `${recipient.slice(0, 24)}…`
}
