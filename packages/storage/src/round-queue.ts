import { WHOLE_ROUND_BYTES_MAX } from './limits.js'

/** Batches that are written together, and their bytes. */
export interface Round {
  readonly batches: readonly Uint8Array[]
  readonly bytes: number
}

/**
 * Batches that wait for a round of the group commit, first come first served.
 *
 * Where more than {@link WHOLE_ROUND_BYTES_MAX} wait, a round takes half of it. Who has so much under way waits for acknowledgements to send more: with all of
 * it in one round, producers and disk would wait for each other in turn; with halves one is refilled while the other is written.
 */
export class RoundQueue {
  #batches: Uint8Array[] = []
  #bytes = 0

  /** Batches that wait. */
  get length(): number {
    return this.#batches.length
  }

  push(batch: Uint8Array): void {
    this.#batches.push(batch)
    this.#bytes += batch.byteLength
  }

  /** Puts a round back, before all others. */
  putBack({ batches, bytes }: Round): void {
    this.#batches = [...batches, ...this.#batches]
    this.#bytes += bytes
  }

  /** Drops those for which `isKept` is false. */
  keep(isKept: (batch: Uint8Array) => boolean): void {
    this.#batches = this.#batches.filter(isKept)
    this.#bytes = this.#batches.reduce((bytes, batch) => bytes + batch.byteLength, 0)
  }

  /**
   * Takes out the next round: no more than `bytesMax` beyond its first batch, and none from the first on that does not fit.
   * @param fits  whether a batch fits behind the first one and so many bytes
   * @returns undefined if the first one does not fit, or none waits
   */
  take(bytesMax: number, fits: (batch: Uint8Array, first: Uint8Array, bytes: number) => boolean): Round | undefined {
    const bytesEnough = Math.min(bytesMax, Math.max(WHOLE_ROUND_BYTES_MAX, this.#bytes / 2))
    const queue = this.#batches
    let bytes = 0
    let count = 0
    while (count < queue.length && bytes < bytesEnough && fits(queue[count]!, queue[0]!, bytes))
      bytes += queue[count++]!.byteLength
    if (count === 0) return undefined
    const batches = count === queue.length ? queue : queue.slice(0, count)
    this.#batches = count === queue.length ? [] : queue.slice(count)
    this.#bytes -= bytes
    return { batches, bytes }
  }
}
