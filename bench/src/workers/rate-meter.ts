import { report } from './worker-task.js'

/** Share of the messages that pass before the clock starts, so that the compiler has seen the code. */
export const WARM_UP_SHARE = 0.2
/** Reports of progress in a measurement. */
const REPORTS = 50

/** Measures from the end of the warm-up to the last message. */
export class RateMeter {
  readonly #total: number
  readonly #warmUp: number
  #startNs = 0n
  #startSeen = 0
  #endNs = 0n
  #seen = 0
  #isWarm = false
  #reportAt: number

  constructor(messages: number) {
    this.#total = messages
    this.#warmUp = Math.floor(messages * WARM_UP_SHARE)
    this.#reportAt = Math.ceil(messages / REPORTS)
  }

  /** Counts messages that are done. */
  add(count: number): void {
    this.#seen += count
    if (!this.#isWarm && this.#seen > this.#warmUp) {
      this.#isWarm = true
      this.#startNs = process.hrtime.bigint()
      // Messages that came together with the last of the warm-up took none of the time.
      this.#startSeen = this.#seen
    }
    if (this.#seen >= this.#reportAt) {
      this.#reportAt = this.#seen + Math.ceil(this.#total / REPORTS)
      report({ kind: 'progress', messages: this.#seen })
    }
    if (this.#seen >= this.#total) this.stop()
  }

  /** Messages so far. */
  get seen(): number {
    return this.#seen
  }

  get isDone(): boolean {
    return this.#seen >= this.#total
  }

  /** The last message has come: the clock stands. */
  stop(): void {
    this.#endNs = process.hrtime.bigint()
  }

  /** Messages a second between warm-up and stop; 0 where all came at once. */
  get ratePerSec(): number {
    const messages = this.#seen - this.#startSeen
    return messages === 0 ? 0 : messages / (Number(this.#endNs - this.#startNs) / 1e9)
  }
}
