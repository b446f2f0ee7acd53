import { baseOffsetOf, nextOffsetOf, type Offset } from '@gomq/protocol'

/** A batch in a buffer this much larger than itself is copied, so that it does not keep the buffer alive. */
const PINNED_FACTOR = 2

/** In the place of a batch that was let go. */
const GONE: Uint8Array = new Uint8Array(0)

/** Places of batches let go that are tolerated before the list is packed. */
const GONE_MAX = 1024

/**
 * The newest batches, by reference, so that live readers do not touch the disk. Bounded in bytes, except that the newest batch always
 * stays; with {@link unpinned} batches the memory held is at most twice that. Batches that share a buffer go one behind the other: what is
 * held for nothing is the buffer of the oldest.
 */
export class TailCache {
  readonly #bytesMax: number
  #batches: Uint8Array[] = []
  #first = 0
  #bytes = 0

  /** @param bytesMax  bytes of batches kept, 0 or more */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** Offset from which everything up to the written end of the log is here; undefined when empty. */
  get startOffset(): Offset | undefined {
    const first = this.#batches[this.#first]
    return first === undefined ? undefined : baseOffsetOf(first)
  }

  /** Bytes of the batches that are here. */
  get bytes(): number {
    return this.#bytes
  }

  /** Adds the batch that follows the last one; the oldest go if there is no room. Nobody may write to it any more. */
  add(batch: Uint8Array): void {
    this.#batches.push(batch)
    this.#bytes += batch.byteLength
    while (this.#bytes > this.#bytesMax && this.#first < this.#batches.length - 1) {
      this.#bytes -= this.#batches[this.#first]!.byteLength
      this.#batches[this.#first] = GONE
      this.#first++
    }
    if (this.#first > GONE_MAX && this.#first * 2 > this.#batches.length) {
      this.#batches = this.#batches.slice(this.#first)
      this.#first = 0
    }
  }

  /** The batch that holds `offset` and those after it, oldest first. @param visit  answers whether to go on */
  from(offset: Offset, visit: (batch: Uint8Array) => boolean): void {
    let low = this.#first
    let high = this.#batches.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (nextOffsetOf(this.#batches[middle]!) <= offset) low = middle + 1
      else high = middle
    }
    for (let i = low; i < this.#batches.length; i++) if (!visit(this.#batches[i]!)) return
  }

  /** Forgets everything from `offset` on; a batch that holds it goes as a whole. */
  truncate(offset: Offset): void {
    while (this.#batches.length > this.#first && nextOffsetOf(this.#batches.at(-1)!) > offset)
      this.#bytes -= this.#batches.pop()!.byteLength
  }
}

/** `batch` itself, or a copy if it would keep a buffer alive that is more than twice its size. */
export function unpinned(batch: Uint8Array): Uint8Array {
  return batch.buffer.byteLength > batch.byteLength * PINNED_FACTOR ? Uint8Array.prototype.slice.call(batch) : batch
}
