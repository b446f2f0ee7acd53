/** Memory that reads use again: fresh memory for each costs as much as reading and verifying what is put there. */
export class ReadBuffer {
  readonly #bytesMax: number
  #bytes = new Uint8Array(0)
  #used = 0
  #isUsed = false

  /** @param bytesMax  bytes that are kept, from the second use on: one that is used once costs nothing */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** So many bytes, with anything in them; memory of their own where the buffer has not as much left. */
  take(bytes: number): Uint8Array {
    this.#isUsed = true
    if (this.#used + bytes > this.#bytes.byteLength) return new Uint8Array(bytes)
    this.#used += bytes
    return this.#bytes.subarray(this.#used - bytes, this.#used)
  }

  /** Nobody looks any more at what was taken. */
  reset(): void {
    if (this.#isUsed && this.#bytes.byteLength === 0) this.#bytes = new Uint8Array(this.#bytesMax)
    this.#used = 0
  }
}
