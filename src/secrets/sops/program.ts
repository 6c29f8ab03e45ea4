import { dirname } from 'node:path'
import { findProgram } from '../../programs.ts'
import type { Finished, World } from '../../world.ts'
import { endWords } from '../age/key-places.ts'
import { Refusal } from '../age/refusal.ts'
import type { Deadline } from '../source.ts'
import type { FileKind } from './document.ts'
import { parseJsonDocument } from './json.ts'
import type { Clear, MapOf, Scalar, Tree } from './tree.ts'

/** Exit statuses of `sops`, from its `cmd/sops/codes`. */
const NO_DATA_KEY = 128
const BROKEN: Readonly<Record<number, string>> = {
  24: 'its MAC does not open',
  25: 'a value was changed, or is in clear and should be encrypted',
  51: 'its MAC is wrong: it was changed without SOPS',
  52: 'it has no MAC, so that anybody may have changed it',
}
/** Go's JSON has U+FFFD where the value isn't UTF-8; such a mended text would be another secret. */
const NOT_UTF8 = Buffer.of(0xff)
const NETWORK =
  /no such host|connection (?:refused|reset)|i\/o timeout|deadline exceeded|network is unreachable|TLS handshake/i

/**
 * Decrypts a whole file with the `sops` program, which checks the MAC itself. `reason` says why it is needed.
 * What it writes to stderr goes no further: it quotes values that stand in the file in clear.
 */
export async function decryptWithProgram(
  world: World,
  file: string,
  kind: FileKind,
  reason: string,
  deadline: Deadline,
): Promise<MapOf<Clear>> {
  const program = findProgram(world, 'sops')
  if (program === undefined) {
    throw new Refusal(
      `${reason}; that takes the program "sops", which is not on the PATH`,
      'install sops, or have the file encrypted for an age key alone: sops updatekeys FILE',
    )
  }
  const finished = await world.processes.run({
    file: program,
    args: ['--decrypt', '--input-type', kind, '--output-type', 'json', file],
    env: world.env,
    cwd: dirname(file),
    timeoutMs: Math.max(1, deadline - world.now()),
    endsWithUs: true,
  })
  if (finished.end.kind !== 'exit' || finished.end.code !== 0) throw failure(finished)
  const tree = parseJsonDocument(finished.stdout.toString('utf8'))
  if (tree === undefined)
    throw new Refusal('the program "sops" gave no JSON', 'see what it gives: sops decrypt --output-type json FILE')
  return clearMap(tree)
}

function failure({ end, stderr }: Finished): Refusal {
  const hint = 'see what it says: sops decrypt FILE'
  if (end.kind === 'timeout') {
    return new Refusal(
      'the program "sops" took too long',
      'see whether it waits for a password: sops decrypt FILE',
      'unavailable',
    )
  }
  if (end.kind === 'exit') {
    const broken = BROKEN[end.code]
    if (broken !== undefined) return new Refusal(broken, hint)
    if (NETWORK.test(stderr))
      return new Refusal('the program "sops" could not reach the key service', hint, 'unavailable')
    if (end.code === NO_DATA_KEY) return new Refusal('the program "sops" found no key that opens it', hint)
  }
  return new Refusal(`the program "sops" failed: ${endWords(end)}`, hint)
}

function clearMap(map: MapOf<Scalar>): MapOf<Clear> {
  return { kind: 'map', entries: map.entries.map(({ key, value }) => ({ key, value: clearTree(value) })) }
}

function clearTree(tree: Tree<Scalar>): Tree<Clear> {
  if (tree.kind === 'map') return clearMap(tree)
  if (tree.kind === 'list') return { kind: 'list', items: tree.items.map(clearTree) }
  const { type, text } = tree.leaf
  return {
    kind: 'leaf',
    leaf: { type, bytes: text.includes('\ufffd') ? NOT_UTF8 : Buffer.from(text), wasEncrypted: true },
  }
}
