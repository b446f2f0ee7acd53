/** Memory that reads use again: fresh memory for each costs as much as reading and verifying what is put there. */
export class ReadBuffer {
  readonly #bytesMax: number
  #bytes = new Uint8Array(0)
  #used = 0

  /** @param bytesMax  bytes that are kept; they are taken from the system with the first use */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** So many bytes, with anything in them; memory of their own where the buffer has not as much left. */
  take(bytes: number): Uint8Array {
    if (this.#used + bytes > this.#bytesMax) return new Uint8Array(bytes)
    if (this.#bytes.byteLength === 0) this.#bytes = new Uint8Array(this.#bytesMax)
    this.#used += bytes
    return this.#bytes.subarray(this.#used - bytes, this.#used)
  }

  /** Nobody looks any more at what was taken. */
  reset(): void {
    this.#used = 0
  }
}
