import { HOLD_MS_MAX, HOLD_SHARE_MAX } from './limits.js'

/**
 * How long a subscription may hold publishers yet: {@link HOLD_MS_MAX} at a time, and {@link HOLD_SHARE_MAX} of the time in many short holds. What it does
 * not use comes back at that share of the time, up to {@link HOLD_MS_MAX}.
 */
export class HoldBudget {
  #leftMs = HOLD_MS_MAX
  #countedMs = 0
  #sinceMs: number | undefined

  /** It holds somebody from now on. While it does: nothing happens. */
  begin(nowMs: number): void {
    if (this.#sinceMs !== undefined) return
    this.#count(nowMs, HOLD_SHARE_MAX)
    this.#sinceMs = nowMs
  }

  /** It holds nobody any more. @returns for how long it did, ms, and whether it has used up what it may */
  end(nowMs: number): { readonly heldMs: number; readonly isUsedUp: boolean } {
    if (this.#sinceMs === undefined) return { heldMs: 0, isUsedUp: false }
    const heldMs = nowMs - this.#sinceMs
    this.#sinceMs = undefined
    this.#count(nowMs, HOLD_SHARE_MAX - 1)
    return { heldMs, isUsedUp: this.#leftMs <= 0 }
  }

  #count(nowMs: number, rate: number): void {
    this.#leftMs = Math.min(HOLD_MS_MAX, this.#leftMs + (nowMs - this.#countedMs) * rate)
    this.#countedMs = nowMs
  }
}
