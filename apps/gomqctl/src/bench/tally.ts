const BYTES_MIN = 1024

/** Which messages came, of each producer by its sequence: each once, or more often. A bit for each. */
export class Tally {
  readonly #bits: Uint8Array[]
  #seen = 0
  #doubled = 0

  constructor(producers: number) {
    this.#bits = Array.from({ length: producers }, () => new Uint8Array(BYTES_MIN))
  }

  /** Different messages that came. */
  get seen(): number {
    return this.#seen
  }

  /** Messages that came although they had come before; one that comes three times counts twice. */
  get doubled(): number {
    return this.#doubled
  }

  /** Counts a message. False: it came before. */
  count(producer: number, sequence: number): boolean {
    let bits = this.#bits[producer]!
    const at = Math.floor(sequence / 8)
    if (at >= bits.length) {
      const longer = new Uint8Array(Math.max(at + 1, 2 * bits.length))
      longer.set(bits)
      this.#bits[producer] = bits = longer
    }
    const bit = 1 << (sequence % 8)
    if ((bits[at]! & bit) !== 0) {
      this.#doubled++
      return false
    }
    bits[at]! |= bit
    this.#seen++
    return true
  }

  /**
   * Messages of a producer that did not come.
   *
   * @param published  the messages with sequences below this were published
   * @param excused    sequences whose publish failed: they may come or not
   */
  missing(producer: number, published: number, excused: ReadonlySet<number>): number {
    const bits = this.#bits[producer]!
    let missing = 0
    for (let sequence = 0; sequence < published; sequence++)
      if (((bits[Math.floor(sequence / 8)] ?? 0) & (1 << (sequence % 8))) === 0 && !excused.has(sequence)) missing++
    return missing
  }
}
