/** Memory that reads use again: fresh memory for each costs as much as reading and verifying what is put there. */
export class ReadBuffer {
  readonly #bytesMax: number
  #bytes = new Uint8Array(0)
  #used = 0
  #wanted = 0

  /** @param bytesMax  bytes that are kept at most; there are none before the first use has shown how many are needed */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** So many bytes, with anything in them; memory of their own where the buffer has not as much left. */
  take(bytes: number): Uint8Array {
    this.#wanted += bytes
    if (this.#used + bytes > this.#bytes.byteLength) return new Uint8Array(bytes)
    this.#used += bytes
    return this.#bytes.subarray(this.#used - bytes, this.#used)
  }

  /** Nobody looks any more at what was taken. */
  reset(): void {
    const wanted = Math.min(this.#wanted, this.#bytesMax)
    if (wanted > this.#bytes.byteLength) this.#bytes = new Uint8Array(Math.min(2 * wanted, this.#bytesMax))
    this.#used = 0
    this.#wanted = 0
  }
}
