/**
 * Counts the bytes that were appended and are not yet on disk, so that publishers can be held back when the disk is slower than
 * they are.
 */
export class UnsyncedBytes {
  readonly #bytesMax: number
  /** Log end after each append that is not yet synced, and its bytes. */
  #ends: number[] = []
  #sizes: number[] = []
  /** First entry that still counts. */
  #first = 0
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** Bytes on their way. */
  get bytes(): number {
    return this.#bytes
  }

  /** Whether publishers are to wait. */
  get isOver(): boolean {
    return this.#bytes > this.#bytesMax
  }

  /** Whether those who wait may go on: at half the bound, so that they do not stop and go for each batch. */
  get isLow(): boolean {
    return this.#bytes <= this.#bytesMax / 2
  }

  /** The log now ends at `endOffset`, `bytes` later. */
  handleAppended(endOffset: number, bytes: number): void {
    this.#ends.push(endOffset)
    this.#sizes.push(bytes)
    this.#bytes += bytes
  }

  /** Everything below `syncedOffset` is on disk. */
  handleSynced(syncedOffset: number): void {
    while (this.#first < this.#ends.length && this.#ends[this.#first]! <= syncedOffset) {
      this.#bytes -= this.#sizes[this.#first]!
      this.#first++
    }
    if (this.#first === this.#ends.length || this.#first > 4096) {
      this.#ends = this.#ends.slice(this.#first)
      this.#sizes = this.#sizes.slice(this.#first)
      this.#first = 0
    }
  }
}
