import type { GomqError, Random } from '@gomq/protocol'
import { DISK_FULL_RETRY_MS_MAX, DISK_FULL_RETRY_MS_MIN } from './limits.js'

/**
 * A producer that waits for its broker to have disk space again: when it tries next, and what its publishes are told when their time is up
 * before. It tries with one batch; the others follow when that one is stored.
 */
export class RoomWait {
  readonly #random: Random
  #refusal: GomqError | undefined
  #intervalMs = 0
  #retryAtMs: number | undefined

  constructor(random: Random) {
    this.#random = random
  }

  /** What the broker said last; undefined while it has room, as far as is known. */
  get refusal(): GomqError | undefined {
    return this.#refusal
  }

  /** When to try again; undefined: nothing holds the producer back. */
  get retryAtMs(): number | undefined {
    return this.#retryAtMs
  }

  /** A batch was refused with DISK_FULL. */
  handleRefused(refusal: GomqError, nowMs: number): void {
    this.#refusal = refusal
    // The refusals of one try are one.
    if (this.#retryAtMs !== undefined) return
    this.#intervalMs = Math.min(DISK_FULL_RETRY_MS_MAX, Math.max(DISK_FULL_RETRY_MS_MIN, 2 * this.#intervalMs))
    this.#retryAtMs = nowMs + this.#intervalMs * (0.5 + this.#random.next() / 2)
  }

  /** A batch was stored. */
  handleStored(): void {
    this.#refusal = undefined
    this.#intervalMs = 0
    this.#retryAtMs = undefined
  }

  /** Lets the next try go if it is time for it, and says whether it was. */
  handleTick(nowMs: number): boolean {
    if (this.#retryAtMs === undefined || nowMs < this.#retryAtMs) return false
    this.#retryAtMs = undefined
    return true
  }
}
