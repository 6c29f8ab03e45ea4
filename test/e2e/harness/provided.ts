import { inject } from 'vitest'
import type { Runtimes } from './runtimes.ts'
import { reason } from './unavailable.ts'
import { type UserManager, withoutLimits } from './user-manager.ts'

declare module 'vitest' {
  interface ProvidedContext {
    userManager: UserManager
    runtimes: Runtimes
  }
}

/** Why there is no systemd user manager, for `describeUnless(noManager, …)`; undefined if there is one. */
export const noManager: string | undefined = reason(inject('userManager'))

/** Why limits of scopes don't bite here, for `describeUnless(noLimits, …)`; undefined if they do. */
export const noLimits: string | undefined = noManager ?? withoutLimits(inject('userManager'))

/**
 * The systemd user manager of this run.
 * @throws where there is none.
 */
export function userManager(): Extract<UserManager, { runtimeDir: string }> {
  const manager = inject('userManager')
  if ('unavailable' in manager) throw new Error(manager.unavailable)
  return manager
}

/** The other Node versions of this run. */
export function runtimes(): Runtimes {
  return inject('runtimes')
}
