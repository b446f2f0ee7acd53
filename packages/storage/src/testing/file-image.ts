/** The bytes of a file in memory. Grows by doubling, so that a long log costs what it holds and no more. */
export class FileImage {
  #memory: Uint8Array
  #length: number

  /** @param bytes  copied */
  constructor(bytes: Uint8Array = new Uint8Array(0)) {
    this.#memory = bytes.slice()
    this.#length = bytes.byteLength
  }

  /** A view, until the next change. */
  get bytes(): Uint8Array {
    return this.#memory.subarray(0, this.#length)
  }

  /** Writes at `position`; a gap before it reads as zeros. */
  write(bytes: Uint8Array, position: number): void {
    const end = position + bytes.byteLength
    this.#reserve(end)
    this.#memory.set(bytes, position)
    this.#length = Math.max(this.#length, end)
  }

  /** Cuts, or adds zeros. */
  resize(length: number): void {
    this.#reserve(length)
    if (length < this.#length) this.#memory.fill(0, length, this.#length)
    this.#length = length
  }

  /** Turns one bit over. */
  flipBit(position: number, bit: number): void {
    if (position < this.#length) this.#memory[position]! ^= 1 << bit
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#memory.byteLength) return
    const grown = new Uint8Array(Math.max(bytes, this.#memory.byteLength * 2))
    grown.set(this.bytes)
    this.#memory = grown
  }
}
