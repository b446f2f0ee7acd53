import { concatBytes } from '@gomq/protocol'

/** Bytes up to which a part is copied behind the one before it: cheaper than a write of its own, which costs a microsecond. */
const JOINED_PART_BYTES_MAX = 4 * 1024

/**
 * What is sent in one turn, on its way into as few writes as may be: neighbours that are small become one, larger parts stay as they are and are
 * not copied.
 */
export class TurnOutput {
  #writes: Uint8Array[] = []
  /** Small parts behind the last of the writes. */
  #small: Uint8Array[] = []
  #bytes = 0

  /** Bytes that wait. */
  get bytes(): number {
    return this.#bytes
  }

  /** Appends bytes; they must not change until they are written. */
  add(part: Uint8Array): void {
    this.#bytes += part.byteLength
    if (part.byteLength <= JOINED_PART_BYTES_MAX) this.#small.push(part)
    else {
      this.#join()
      this.#writes.push(part)
    }
  }

  /** Takes out all, in order, to be written one after the other. */
  take(): readonly Uint8Array[] {
    this.#join()
    const writes = this.#writes
    this.#writes = []
    this.#bytes = 0
    return writes
  }

  #join(): void {
    if (this.#small.length === 0) return
    this.#writes.push(this.#small.length === 1 ? this.#small[0]! : concatBytes(this.#small))
    this.#small = []
  }
}
