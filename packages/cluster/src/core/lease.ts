import { LEASE_MARGIN_MS } from '../limits.js'

/**
 * Until when this broker may act as leader, on its own monotonic clock (R17). The coordinator counts from the moment at which it renewed the
 * lease, which is after the request was sent: counted from the sending, less a margin, this side always ends first.
 *
 *     sent at 10,000, granted 5,000 ms, margin 1,000 -> valid below 14,000
 */
export class LeaderLease {
  #leaseUntilMs = Number.NEGATIVE_INFINITY
  #validUntilMs = Number.NEGATIVE_INFINITY

  /** When leadership ends unless it is renewed, monotonic ms. */
  get validUntilMs(): number {
    return this.#validUntilMs
  }

  /** The lease was renewed for `grantedMs` by a request sent at `sentMs`. By itself that says nothing of who leads. */
  handleRenewed(sentMs: number, grantedMs: number): void {
    this.#leaseUntilMs = sentMs + grantedMs - LEASE_MARGIN_MS
  }

  /** The coordinator has shown, later than the last renewal was sent, that the leader's key stands under this lease. */
  handleKeySeen(): void {
    this.#validUntilMs = this.#leaseUntilMs
  }

  /** The lease or the key is gone. */
  handleLost(): void {
    this.#leaseUntilMs = Number.NEGATIVE_INFINITY
    this.#validUntilMs = Number.NEGATIVE_INFINITY
  }

  /** Whether leadership stands at `nowMs`. */
  isValid(nowMs: number): boolean {
    return nowMs < this.#validUntilMs
  }
}
