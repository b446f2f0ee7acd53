import { baseOffsetOf, bodyCrcOf, type Crc32, epochOf, type Inflate, NO_OFFSET, readableBatch } from '@gomq/protocol'

/**
 * Compressed batches for clients that do not decompress. Keeps the last one: a batch that commits is decompressed once for all of them, and
 * one that a slow client takes in parts is not decompressed for each. At most 1 MiB, so about 3 ms and 1 MiB of memory.
 */
export class ReadableBatches {
  readonly #inflate: Inflate
  readonly #crc32: Crc32
  #compressed: Uint8Array | null = null
  #readable: Uint8Array | null = null

  constructor(inflate: Inflate, crc32: Crc32) {
    this.#inflate = inflate
    this.#crc32 = crc32
  }

  /** The batch uncompressed; one that cannot be decompressed with records that cannot be decoded. */
  of(batch: Uint8Array): Uint8Array {
    if (this.#compressed !== null && isSameBatch(batch, this.#compressed)) return this.#readable!
    const readable = readableBatch(batch, this.#inflate, this.#crc32)
    this.#readable = readable
    this.#compressed = batch
    return readable
  }
}

/** Each read of the log brings its own bytes of the same batch. */
function isSameBatch(a: Uint8Array, b: Uint8Array): boolean {
  if (a === b) return true
  const offset = baseOffsetOf(a)
  return (
    offset !== NO_OFFSET &&
    offset === baseOffsetOf(b) &&
    epochOf(a) === epochOf(b) &&
    a.byteLength === b.byteLength &&
    bodyCrcOf(a) === bodyCrcOf(b)
  )
}
