/**
 * The rate of a measurement: all of its messages over all of its time, from when the first could be sent, or was asked for, to when the last was done.
 *
 * Nothing is cut off: what is done in few large groups has its whole time in the rate. A clock that began at the first acknowledgement would leave out
 * the time in which all that is in flight was sent: with 100 connections that is nearly all. Warm-up comes before {@link start}, with messages of its own.
 */
export class RateMeter {
  readonly #nowNs: () => bigint
  #startNs = 0n
  #endNs = 0n
  #seen = 0

  constructor(nowNs: () => bigint = process.hrtime.bigint) {
    this.#nowNs = nowNs
  }

  /**
   * The first message is about to be sent, or asked for: counts from zero.
   * @param startNs  when that was, or should have been; by default now
   */
  start(startNs: bigint = this.#nowNs()): void {
    this.#seen = 0
    this.#startNs = startNs
  }

  /** Counts messages that are done. */
  add(count: number): void {
    this.#seen += count
  }

  /** The last message so far is done. */
  stop(): void {
    this.#endNs = this.#nowNs()
  }

  /** Messages since the start. */
  get seen(): number {
    return this.#seen
  }

  /** Messages a second between start and stop; 0 without a message. */
  get ratePerSec(): number {
    return this.#seen === 0 ? 0 : this.#seen / (Number(this.#endNs - this.#startNs) / 1e9)
  }
}
