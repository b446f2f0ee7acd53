import type { Offset } from '@gomq/protocol'
import { PRODUCER_WINDOW_BATCHES } from './limits.js'

/** Numbers of a batch: sequence of its first record, its base offset, the offset after it. */
const FIELDS = 3
/** The room grows to four times of what it was, by so many batches at most. */
const GROWTH = 4
const ROOM_STEP = PRODUCER_WINDOW_BATCHES / 4

/**
 * The last batches of a producer that have committed, {@link PRODUCER_WINDOW_BATCHES} of them, and all that have not; oldest first. As plain numbers,
 * 24 bytes a batch: an object for each takes four times that, and every producer that has published for a while has a full window.
 */
export class ProducerWindow {
  #values: Float64Array
  /** Of the oldest batch, in batches. */
  #start = 0
  #length = 0

  /** @param room  batches for which there is room at first */
  constructor(room = 1) {
    this.#values = new Float64Array(FIELDS * room)
  }

  get length(): number {
    return this.#length
  }

  /** Sequence of the first record of batch `i`; of the newest for -1. As with the others: the batch is there. */
  firstSequence(i: number): number {
    return this.#values[this.#at(i)]!
  }

  baseOffset(i: number): Offset {
    return this.#values[this.#at(i) + 1]! as Offset
  }

  /** The offset after the batch: below the high watermark, it is committed. */
  endOffset(i: number): number {
    return this.#values[this.#at(i) + 2]!
  }

  /** Sequence of the record that follows the newest batch, modulo 2^32. */
  get nextSequence(): number {
    return (this.firstSequence(-1) + this.endOffset(-1) - this.baseOffset(-1)) >>> 0
  }

  /** The batch that begins with the sequence; -1 if it is not remembered. */
  indexOf(firstSequence: number): number {
    for (let i = this.#length - 1; i >= 0; i--) if (this.firstSequence(i) === firstSequence) return i
    return -1
  }

  /** Adds a batch that follows the newest. */
  push(firstSequence: number, baseOffset: number, endOffset: number): void {
    if (FIELDS * (this.#start + this.#length) === this.#values.length) this.#makeRoom()
    const at = FIELDS * (this.#start + this.#length++)
    this.#values[at] = firstSequence
    this.#values[at + 1] = baseOffset
    this.#values[at + 2] = endOffset
  }

  /** Forgets the oldest batches, down to those that are remembered beside what has not committed. */
  trim(highWatermark: number): void {
    while (this.#length > PRODUCER_WINDOW_BATCHES) {
      if (this.endOffset(PRODUCER_WINDOW_BATCHES) > highWatermark) return
      this.#start++
      this.#length--
    }
  }

  /** Forgets the batches that end above the offset: the newest ones. */
  truncate(toOffset: number): void {
    while (this.#length > 0 && this.endOffset(-1) > toOffset) this.#length--
  }

  /** The last {@link PRODUCER_WINDOW_BATCHES} that have committed, as they stand in a snapshot: three numbers for each. */
  committed(highWatermark: number): number[] {
    let end = this.#length
    while (end > 0 && this.endOffset(end - 1) > highWatermark) end--
    const from = Math.max(0, end - PRODUCER_WINDOW_BATCHES)
    return [...this.#values.subarray(FIELDS * (this.#start + from), FIELDS * (this.#start + end))]
  }

  #at(i: number): number {
    return FIELDS * (this.#start + (i < 0 ? this.#length + i : i))
  }

  /** Where enough was forgotten at the front, the batches move there. Else there is more room. */
  #makeRoom(): void {
    const { length } = this.#values
    const used = this.#values.subarray(FIELDS * this.#start, FIELDS * (this.#start + this.#length))
    if (this.#start >= ROOM_STEP) this.#values.copyWithin(0, FIELDS * this.#start)
    else {
      const grown = new Float64Array(Math.min(GROWTH * length, length + FIELDS * ROOM_STEP))
      grown.set(used)
      this.#values = grown
    }
    this.#start = 0
  }
}
