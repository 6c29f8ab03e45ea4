import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Sandbox } from '../harness/sandbox.ts'

/** Every `systemd-run` of a sandbox's programs, in order. */
export interface Counted {
  /** The beginning of an argv; needs root. */
  readonly prefix: readonly string[]
  /** The unit that each was for. What was only tried, and is remembered, doesn't count. */
  units(): string[]
}

/** Puts a program that counts in the place of systemd-run, in a view of the file system that nobody else has. */
export function countSystemdRun(sandbox: Sandbox): Counted {
  const log = join(sandbox.home, 'systemd-run.log')
  sandbox.writeFile(log, '')
  sandbox.writeFile('real/systemd-run', '', 0o755)
  const counting = sandbox.writeFile(
    'counting-systemd-run',
    `#!/bin/sh\necho "$@" | head -1 >> '${log}'\nexec '${join(sandbox.home, 'real', 'systemd-run')}' "$@"\n`,
    0o755,
  )
  const mounts =
    'mount --bind /usr/bin/systemd-run "$1" && mount --bind "$2" /usr/bin/systemd-run && shift 2 && exec "$@"'
  return {
    prefix: [
      ...['unshare', '--mount', '--propagation', 'private', 'sh', '-c', mounts, 'sh'],
      ...[join(sandbox.home, 'real', 'systemd-run'), counting],
    ],
    units: () =>
      [...readFileSync(log, 'utf8').matchAll(/--unit=(\S+)/g)]
        .map(([, unit = '']) => unit)
        .filter((unit) => !unit.startsWith('mcp-trial-')),
  }
}
