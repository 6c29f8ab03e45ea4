import type { Job } from './job.ts'

/** What runs a job at its times on this machine. */
export interface Scheduler {
  readonly kind: 'systemd' | 'launchd' | 'crontab'
  /** Puts the job in place. Twice is as good as once. Throws `LaunchError`. */
  install(job: Job): Promise<Installed>
  /** Takes away what `install` put in place, and nothing else. */
  remove(): Promise<Removed>
  status(): Promise<TimerState>
}

export interface Installed {
  readonly kind: Scheduler['kind']
  readonly files: readonly string[]
  /** Those of the files that were not there as they are now. */
  readonly changed: readonly string[]
  /** Nothing was put in place: this line is for the user to add. */
  readonly line?: string
  /** Why there is only a line. */
  readonly why?: string
}

export interface Removed {
  readonly kind: Scheduler['kind']
  readonly files: readonly string[]
  /** What the user has to take away. */
  readonly remark?: string
}

/** Times in milliseconds since the epoch. */
export interface TimerState {
  readonly kind: Scheduler['kind']
  readonly installed: boolean
  /** Whether it will run again. */
  readonly active: boolean
  /** Undefined where it can't be told, as in the next two. */
  readonly nextRun?: number
  readonly lastRun?: number
  readonly lastResult?: RunResult
}

export interface RunResult {
  /** `unavailable` is exit status 75: a source is out of reach for now. */
  readonly outcome: 'success' | 'unavailable' | 'running' | 'failure'
  /** For a failure, how it ended. */
  readonly how?: string
}
