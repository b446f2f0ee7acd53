import type { Random } from '../random.js'

/** A {@link Random} that repeats: the same seed gives the same numbers (mulberry32). */
export class SeededRandom implements Random {
  #state: number

  /** @param seed  any integer; its low 32 bits count */
  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000
  }

  /** An integer from 0 (inclusive) to `max` (exclusive). */
  below(max: number): number {
    return Math.floor(this.next() * max)
  }

  /** True with probability `p`. */
  chance(p: number): boolean {
    return this.next() < p
  }

  /** One of `items`, which must not be empty. */
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T
  }
}
