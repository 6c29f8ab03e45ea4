const DEADLY = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** `Processes.beforeDeath`. */
export function beforeDeath(action: () => Promise<void>): () => void {
  let isDying = false
  const die = (signal: NodeJS.Signals): void => {
    if (isDying) return
    isDying = true
    void action().finally(() => {
      release()
      process.kill(process.pid, signal)
    })
  }
  const release = (): void => {
    for (const signal of DEADLY) process.off(signal, die)
  }
  for (const signal of DEADLY) process.on(signal, die)
  return release
}
