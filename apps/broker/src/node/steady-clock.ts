/** Share of the elapsed time by which the clock may run fast or slow while it follows the wall clock. */
const SLEW = 0.25

/**
 * Wall time that neither jumps nor goes back: it runs with the monotonic clock, and when the wall clock is set, it follows at a
 * rate of 0.75 to 1.25. So a jump of the machine's clock by an hour times nobody out (keep-alive has a reserve of one half), and
 * timestamps are right again after four hours.
 */
export class SteadyClock {
  readonly #wallMs: () => number
  readonly #monotonicMs: () => number
  #lastMonotonicMs: number
  #lastMs: number

  constructor(wallMs: () => number = Date.now, monotonicMs: () => number = () => performance.now()) {
    this.#wallMs = wallMs
    this.#monotonicMs = monotonicMs
    this.#lastMonotonicMs = monotonicMs()
    this.#lastMs = wallMs()
  }

  /** Milliseconds since 1970, an integer that never decreases. */
  nowMs(): number {
    const monotonicMs = this.#monotonicMs()
    const elapsedMs = monotonicMs - this.#lastMonotonicMs
    const behindMs = this.#wallMs() - (this.#lastMs + elapsedMs)
    const slewMs = Math.max(-SLEW * elapsedMs, Math.min(SLEW * elapsedMs, behindMs))
    this.#lastMonotonicMs = monotonicMs
    this.#lastMs += elapsedMs + slewMs
    return Math.floor(this.#lastMs)
  }
}
