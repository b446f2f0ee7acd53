import type { PublishBatch } from './publish-batch.js'

/** Batches that left are compacted away once they are this many and half of the array, so that a long queue costs no shift for each. */
const LEFT_BATCHES_MAX = 64

/** Batches that wait to be sent, first come first served. With many topics there are thousands: to put in and to take out cost the same for any length. */
export class BatchQueue {
  /** Undefined before the head: whoever left may be large, and is kept by nobody here. */
  #batches: (PublishBatch | undefined)[] = []
  #head = 0

  /** Batches that wait. */
  get length(): number {
    return this.#batches.length - this.#head
  }

  /** The one that is next; undefined if none waits. */
  get first(): PublishBatch | undefined {
    return this.#batches[this.#head]
  }

  /** Appends a batch. */
  push(batch: PublishBatch): void {
    this.#batches.push(batch)
  }

  /** Takes out {@link first}; there must be one. */
  shift(): void {
    this.#batches[this.#head++] = undefined
    if (this.#head < LEFT_BATCHES_MAX || 2 * this.#head < this.#batches.length) return
    this.#batches = this.#batches.slice(this.#head)
    this.#head = 0
  }

  /** Puts batches before all others, in their order. */
  unshift(batches: readonly PublishBatch[]): void {
    this.#batches = [...batches, ...this]
    this.#head = 0
  }

  /** Takes out those that `isMeant`, in order. */
  take(isMeant: (batch: PublishBatch) => boolean): PublishBatch[] {
    const taken: PublishBatch[] = []
    // Asked at each tick, and mostly there is none.
    for (let at = this.#head; at < this.#batches.length; at++) {
      const batch = this.#batches[at]!
      if (isMeant(batch)) taken.push(batch)
    }
    if (taken.length > 0) {
      this.#batches = this.#batches.slice(this.#head).filter((batch) => !isMeant(batch!))
      this.#head = 0
    }
    return taken
  }

  /** Takes out all. */
  takeAll(): PublishBatch[] {
    return this.take(() => true)
  }

  *[Symbol.iterator](): IterableIterator<PublishBatch> {
    for (let at = this.#head; at < this.#batches.length; at++) yield this.#batches[at]!
  }
}
