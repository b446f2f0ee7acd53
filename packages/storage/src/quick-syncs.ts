import {
  BUSY_SHARE_MAX,
  FULL_ROUND_BATCHES,
  LONELY_BUSY_SHARE_MAX,
  QUICK_SYNC_MS_MAX,
  QUICK_SYNC_SAMPLES,
  QUICK_SYNCS_A_LOOK,
  SLOW_SYNC_MS_MIN,
} from './limits.js'

/**
 * Whether a file's disk syncs so quickly that a small sync is better done at once, on the thread that asks for it, than handed to another one: to wake a
 * thread and to be woken by it takes as long as such a sync (docs/decisions/0027).
 *
 *     in the pool   8 syncs, the shortest of them under 0.5 ms, and a loop with time to spare    -> on the loop
 *     on the loop   a sync of more than 2 ms, or 64 of few batches each while the loop has much  -> in the pool
 *                   else to do
 *
 * The shortest, since what a busy machine adds says nothing about the disk. A disk that becomes slow holds the loop for one sync. Many batches a sync mean that
 * the loop waits for the disk now and then only, and that nobody waits for the loop.
 */
export class QuickSyncs {
  #isQuick = false
  #count = 0
  #batches = 0
  #shortestMs = Number.POSITIVE_INFINITY

  /** Whether the next small sync is better done on the loop. False at first. */
  get isQuick(): boolean {
    return this.#isQuick
  }

  /**
   * A small sync took `tookMs`, as the loop saw it.
   * @param batches    how many it was for
   * @param busyShare  the part of the time since it was asked last that the loop was busy with other things than syncs, 0 to 1; asked now and then
   */
  handleSynced(tookMs: number, batches: number, busyShare: () => number): void {
    this.#count++
    this.#batches += batches
    this.#shortestMs = Math.min(this.#shortestMs, tookMs)
    if (this.#isQuick) {
      if (tookMs > SLOW_SYNC_MS_MIN) this.#decide(false)
      else if (this.#count === QUICK_SYNCS_A_LOOK) {
        const areLonely = this.#batches < FULL_ROUND_BATCHES * QUICK_SYNCS_A_LOOK
        this.#decide(busyShare() <= LONELY_BUSY_SHARE_MAX || !areLonely)
      }
    } else if (this.#count === QUICK_SYNC_SAMPLES)
      this.#decide(this.#shortestMs <= QUICK_SYNC_MS_MAX && busyShare() <= BUSY_SHARE_MAX)
  }

  #decide(isQuick: boolean): void {
    this.#isQuick = isQuick
    this.#count = 0
    this.#batches = 0
    this.#shortestMs = Number.POSITIVE_INFINITY
  }
}
