import * as z from 'zod'
import { registrySchema } from './schema.ts'

/** The JSON Schema (2020-12) of what users may write, for editors: made from the schema that the registry is read with. */
export function registryJsonSchema(): object {
  return z.toJSONSchema(registrySchema, { target: 'draft-2020-12', io: 'input' })
}
