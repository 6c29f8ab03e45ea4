import { utf8 } from '../age/encrypted-file.ts'
import { Refusal } from '../age/refusal.ts'
import { parseDotenv } from './dotenv.ts'
import { NeedsSopsProgram } from './hand-over.ts'
import { parseJsonDocument } from './json.ts'
import { type Metadata, metadataOf } from './metadata.ts'
import { childOf, type MapOf, type Scalar } from './tree.ts'
import { parseYaml } from './yaml.ts'

/** SOPS's names for them (`--input-type`). */
export type FileKind = 'yaml' | 'json' | 'dotenv' | 'ini' | 'binary'

/** By the name alone, and anything unknown as binary: SOPS does the same, `cmd/sops/formats`. */
export function kindOf(file: string): FileKind {
  if (file.endsWith('.yaml') || file.endsWith('.yml')) return 'yaml'
  if (file.endsWith('.json')) return 'json'
  if (file.endsWith('.env')) return 'dotenv'
  return file.endsWith('.ini') ? 'ini' : 'binary'
}

/** A SOPS file, read and still encrypted. */
export interface Document {
  readonly values: MapOf<Scalar>
  readonly metadata: Metadata
}

export function parseDocument(bytes: Uint8Array, kind: FileKind): Document {
  const text = utf8(bytes)
  if (text === undefined) throw notSops(kind)
  const map = parse(text, kind)
  const sops = map && childOf(map, 'sops')
  if (map === undefined || sops?.kind !== 'map') throw notSops(kind)
  const values = { kind: 'map' as const, entries: map.entries.filter(({ key }) => key !== 'sops') }
  return { values, metadata: metadataOf(sops) }
}

function parse(text: string, kind: FileKind): MapOf<Scalar> | undefined {
  switch (kind) {
    case 'yaml':
      return parseYaml(text)
    case 'dotenv':
      return parseDotenv(text)
    case 'ini':
      throw new NeedsSopsProgram('it is an ini file')
    default:
      return parseJsonDocument(text)
  }
}

function notSops(kind: FileKind): Refusal {
  if (kind === 'binary') {
    return new Refusal(
      'it is not a SOPS file: with this name SOPS wants its JSON form',
      'let the name of a YAML, JSON or dotenv file end in .yaml, .json or .env',
    )
  }
  return new Refusal('it is not a SOPS file', 'encrypt it: sops encrypt --in-place FILE')
}
