/** A call that is to come. */
export interface ScheduledCall {
  /** It does not come any more. Again, or after it came: nothing happens. */
  cancel(): void
}

/** Time as replication knows it: how much has passed, never what the wall says. */
export interface Clock {
  /** Milliseconds since some moment; never goes back. */
  monotonicMs(): number
  /** Calls `run` once, `delayMs` from now. */
  schedule(delayMs: number, run: () => void): ScheduledCall
}
