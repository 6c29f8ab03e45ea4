import * as z from 'zod'
import { parseEnvironmentRef, parseRef, REF_FORMS, RefError } from '../secrets/parse-ref.ts'
import type { Ref } from '../secrets/ref.ts'
import { VARIABLE_NAME } from '../variable-name.ts'
import { parseDuration } from './duration.ts'
import { words } from './words.ts'

/** What `servers.*.env.*` is made of: `readTree` has made numbers and booleans text by now. */
export const anyText = z
  .union([z.string(), z.number(), z.boolean()], { error: words('must be text') })
  .transform(String)
  .refine(hasNoNul, words('has a NUL character'))

export const text = z.string().refine(hasNoNul, words('has a NUL character'))

export const someText = text.refine((value) => value.trim() !== '', words('is empty'))

function hasNoNul(value: string): boolean {
  return !value.includes('\0')
}

export const variableName = z
  .string()
  .regex(VARIABLE_NAME, words('is no variable name', 'use letters, digits and _, and no digit at the start'))

const LONGEST_MS = 3650 * 86_400_000
/** Node and Bun take a timer of more than 2^31 ms for one of no time at all. */
const LONGEST_TIMER_MS = 3_600_000

interface DurationLimits {
  readonly above?: number
  readonly timer?: boolean
}

/** A time with units, as milliseconds. */
export function duration({ above = -1, timer = false }: DurationLimits = {}) {
  return z
    .string({ error: ({ input }) => (typeof input === 'number' ? words(NO_UNIT, `add one: ${input}s`) : undefined) })
    .meta({ pattern: String.raw`^(\d+(\.\d+)?(ms|s|m|h|d))+$`, examples: ['30s', '4h', '7d'] })
    .transform((value, context) => {
      const ms = parseDuration(value)
      if (ms === undefined) return fail(context, words(NO_UNIT, 'write 500ms, 30s, 5m, 4h, 7d or 1h30m'))
      if (ms <= above) return fail(context, words('must be longer than nothing'))
      if (timer && ms > LONGEST_TIMER_MS) return fail(context, words('must be one hour at most'))
      return ms > LONGEST_MS ? fail(context, words('must be ten years at most')) : ms
    })
}

const NO_UNIT = 'must be a time with a unit'

/** Text that a rule of ours takes as it is. */
export function checked(isRight: (text: string) => boolean, why: string) {
  return z.string().refine(isRight, why)
}

/** The same for what people also write as a number. */
export function checkedNumberOrText(isRight: (text: string) => boolean, why: string) {
  return z.union([z.string(), z.number()], { error: why }).transform(String).refine(isRight, why)
}

export const refText = z
  .string()
  .meta({ description: `Where the value is: ${REF_FORMS}.`, pattern: '^(op://|sops:|age:|file:|env:)' })
  .transform(toRef)

export const refCommand = z
  .strictObject({
    command: z
      .array(anyText)
      .min(1, words('has no program in it'))
      .describe('A program and its arguments; the value is its output, less one line break at the end. No shell.'),
  })
  .describe('A program that prints the value. With exit status 75 it says that it is unavailable for now.')
  .transform(toRef)

export const NOT_A_REF = words('is not a reference', `say where the secret is kept: ${REF_FORMS}`)

export const ref = z.union([refText, refCommand], { error: NOT_A_REF })

export const environmentRef = z
  .string()
  .meta({ pattern: '^op-env:[A-Za-z0-9_-]+$' })
  .transform((value, context) => attempt(() => parseEnvironmentRef(value), context))

function toRef(value: string | { command: string[] }, context: z.RefinementCtx): Ref {
  return attempt(() => parseRef(value), context)
}

function attempt<T>(parse: () => T, context: z.RefinementCtx): T {
  try {
    return parse()
  } catch (error) {
    if (!(error instanceof RefError)) throw error
    return fail(context, words(error.message, error.hint))
  }
}

function fail(context: z.RefinementCtx, message: string): never {
  context.addIssue({ code: 'custom', message })
  return z.NEVER
}
