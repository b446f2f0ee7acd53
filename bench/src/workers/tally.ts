/** How often the messages of each slot came. In any order: a message that is missing and one that came twice are both seen. */
export class Tally {
  readonly #counts: Uint32Array
  #messages = 0

  constructor(slots: number) {
    this.#counts = new Uint32Array(slots)
  }

  /** A message came. @throws RangeError  no message has that slot */
  add(slot: number): void {
    if (slot >= this.#counts.length) throw new RangeError(`a message says that it is of slot ${slot}; it is not ours`)
    this.#counts[slot]!++
    this.#messages++
  }

  /** Messages that came, copies counted. */
  get messages(): number {
    return this.#messages
  }

  /** Compares with messages 0 to `sent - 1`, each of which should have come once. */
  audit(sent: number): { readonly lost: number; readonly duplicated: number } {
    const slots = this.#counts.length
    let [lost, duplicated] = [0, 0]
    for (const [slot, count] of this.#counts.entries()) {
      const expected = Math.ceil(Math.max(0, sent - slot) / slots)
      if (count < expected) lost += expected - count
      else duplicated += count - expected
    }
    return { lost, duplicated }
  }
}
