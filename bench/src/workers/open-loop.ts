/** Share of the latencies that is left out: the first, when the compiler has not yet seen the code of a single publish. */
export const WARM_UP_SHARE = 0.2

/** The shortest time between two moments of a schedule: a process of this kind cannot keep a shorter one. */
const STEP_US_MIN = 500

/**
 * When each message of a fixed rate should be sent: at moments of equal distance, several messages at one moment where the rate is high. Latency counts
 * from there and not from when the message was sent, so that a broker that holds the producer up does not hide what it did (coordinated
 * omission).
 *
 *     1,000/s:  one each millisecond        10,000/s:  five each half millisecond
 */
export class OpenLoop {
  /** Messages of one moment, at least 1. */
  readonly burst: number
  readonly #stepUs: number

  /** @param ratePerSec  above 0 */
  constructor(ratePerSec: number) {
    this.burst = Math.max(1, Math.round((ratePerSec * STEP_US_MIN) / 1e6))
    this.#stepUs = (this.burst * 1e6) / ratePerSec
  }

  /** When message `index` should be sent, in microseconds from the start. */
  dueUs(index: number): number {
    return Math.floor(index / this.burst) * this.#stepUs
  }

  /** How many messages should have been sent `elapsedUs` after the start. */
  dueCount(elapsedUs: number): number {
    return elapsedUs < 0 ? 0 : (Math.floor(elapsedUs / this.#stepUs) + 1) * this.burst
  }
}
