import { QUICK_SYNC_MS_MAX, QUICK_SYNC_SAMPLES, SLOW_SYNC_MS_MIN } from './limits.js'

/**
 * Whether a file's disk syncs so quickly that a small sync is better done at once, on the thread that asks for it, than handed to another one: to wake a
 * thread and to be woken by it takes as long as such a sync (docs/decisions/0027).
 *
 *     in the pool   8 syncs, the shortest of them under 0.5 ms   -> on the loop
 *     on the loop   a sync of more than 2 ms                     -> in the pool
 *
 * The shortest, since what a busy machine adds says nothing about the disk. A disk that becomes slow holds the loop for one sync.
 */
export class QuickSyncs {
  #isQuick = false
  #count = 0
  #shortestMs = Number.POSITIVE_INFINITY

  /** Whether the next small sync is better done on the loop. False at first. */
  get isQuick(): boolean {
    return this.#isQuick
  }

  /** A small sync took `tookMs`, as the loop saw it. */
  handleSynced(tookMs: number): void {
    if (this.#isQuick) {
      this.#isQuick = tookMs <= SLOW_SYNC_MS_MIN
      return
    }
    this.#shortestMs = Math.min(this.#shortestMs, tookMs)
    if (++this.#count < QUICK_SYNC_SAMPLES) return
    this.#isQuick = this.#shortestMs <= QUICK_SYNC_MS_MAX
    this.#count = 0
    this.#shortestMs = Number.POSITIVE_INFINITY
  }
}
