import { baseOffsetOf, nextOffsetOf, type Offset } from '@gomq/protocol'

/** A batch in a buffer this much larger than itself is copied, so that it does not keep the buffer alive. */
const PINNED_FACTOR = 2

/** The newest batches, by reference, so that live readers do not touch the disk. Bounded in bytes. */
export class TailCache {
  readonly #bytesMax: number
  #batches: Uint8Array[] = []
  #first = 0
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** Offset from which everything up to the log's end is here; undefined when empty. */
  get startOffset(): Offset | undefined {
    const first = this.#batches[this.#first]
    return first === undefined ? undefined : baseOffsetOf(first)
  }

  add(batch: Uint8Array): void {
    this.#batches.push(batch)
    this.#bytes += batch.byteLength
    while (this.#bytes > this.#bytesMax && this.#first < this.#batches.length - 1) {
      this.#bytes -= this.#batches[this.#first]!.byteLength
      this.#first++
    }
    if (this.#first > 1024 && this.#first * 2 > this.#batches.length) {
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

  /** Forgets everything from `offset` on. */
  truncate(offset: Offset): void {
    while (this.#batches.length > this.#first && nextOffsetOf(this.#batches.at(-1)!) > offset)
      this.#bytes -= this.#batches.pop()!.byteLength
  }
}

/** `batch` itself, or a copy if it would keep a much larger buffer alive. */
export function unpinned(batch: Uint8Array): Uint8Array {
  return batch.buffer.byteLength > batch.byteLength * PINNED_FACTOR ? Uint8Array.prototype.slice.call(batch) : batch
}
