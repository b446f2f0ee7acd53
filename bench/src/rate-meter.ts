import { report } from './worker-task.js'

/** Share of the messages that pass before the clock starts, so that the compiler has seen the code. */
export const WARM_UP_SHARE = 0.2

/** Measures from the end of the warm-up to the last message. */
export class RateMeter {
  readonly #total: number
  readonly #warmUp: number
  #startNs = 0n
  #seen = 0
  #reportAt: number

  constructor(messages: number) {
    this.#total = messages
    this.#warmUp = Math.floor(messages * WARM_UP_SHARE)
    this.#reportAt = Math.ceil(messages / 50)
  }

  /** Counts messages that are done. */
  add(count: number): void {
    const before = this.#seen
    this.#seen += count
    if (before < this.#warmUp && this.#seen >= this.#warmUp) this.#startNs = process.hrtime.bigint()
    if (this.#seen >= this.#reportAt) {
      this.#reportAt = this.#seen + Math.ceil(this.#total / 50)
      report({ kind: 'progress', messages: this.#seen })
    }
  }

  get isDone(): boolean {
    return this.#seen >= this.#total
  }

  /** Messages a second since the warm-up. */
  get ratePerSec(): number {
    return (this.#seen - this.#warmUp) / (Number(process.hrtime.bigint() - this.#startNs) / 1e9)
  }
}
