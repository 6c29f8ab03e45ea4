import { resolve } from 'node:path'

/** The project's directory. */
export const ROOT = resolve(import.meta.dirname, '..', '..', '..')
