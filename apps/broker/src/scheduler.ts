/** Time, injected: the real one, or the simulator's. */
export interface Scheduler {
  /** Milliseconds since 1970; never goes back and does not jump, so that deadlines and timestamps can share it. */
  nowMs(): number
  /** Calls `run` once, `delayMs` or more from now, and never before this call has returned. */
  schedule(delayMs: number, run: () => void): Timer
}

/** A call to come. */
export interface Timer {
  /** Takes the call back. Afterwards, or again: nothing happens. */
  cancel(): void
}

/** Settles when `work` does, however that ends, or when `timeoutMs` has passed. */
export function atMost(scheduler: Scheduler, timeoutMs: number, work: Promise<unknown>): Promise<void> {
  return new Promise((resolve) => {
    const timer = scheduler.schedule(timeoutMs, resolve)
    const end = (): void => {
      timer.cancel()
      resolve()
    }
    work.then(end, end)
  })
}
