/**
 * What `build.mjs` writes into the bundle (esbuild's `define`). Run from source, as the tests do, nothing is defined.
 */
declare const BUILD_VERSION: string | undefined
declare const BUILD_TOOLS: Readonly<Partial<Record<SystemTool, string>>> | undefined

/** The programs of the launch plan. */
export type SystemTool = 'env' | 'prlimit' | 'setpriv' | 'systemd-run' | 'tail'

export const VERSION: string = typeof BUILD_VERSION === 'undefined' ? '0.0.0-source' : BUILD_VERSION

/** Absolute paths that a packager built in (Nix), so that nothing has to be searched for. */
export const BUILT_IN_TOOLS: Readonly<Partial<Record<SystemTool, string>>> =
  typeof BUILD_TOOLS === 'undefined' ? {} : BUILD_TOOLS
