/** Linux, signal(7), without the real-time ones. */
const SIGNALS =
  'ABRT ALRM BUS CHLD CONT FPE HUP ILL INT IO KILL PIPE PROF PWR QUIT SEGV STKFLT STOP SYS TERM TRAP TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ'

export const SIGNAL_NAMES: ReadonlySet<string> = new Set(SIGNALS.split(' '))

/** `SIGTERM`, `TERM` or `term` as `TERM`; undefined for what is no signal of Linux. */
export function signalName(text: string): string | undefined {
  const name = text.toUpperCase().replace(/^SIG/, '')
  return SIGNAL_NAMES.has(name) ? name : undefined
}
