import { type GomqError, OffsetRanges } from '@gomq/protocol'

/** Acknowledgements that travel together and settle together. */
export class AckGroup {
  /** Offsets that are acknowledged. Complete once the group is sent. */
  readonly ranges: OffsetRanges = new OffsetRanges()
  /** Of the packet that carries it and asks for an answer; 0 until it is sent. Each connection gives it another one. */
  requestId = 0
  #outcome: GomqError | null | undefined
  #listeners: ((error: GomqError | null) => void)[] = []

  /** Undefined while it is under way, null once the broker has it, else why it failed. */
  get outcome(): GomqError | null | undefined {
    return this.#outcome
  }

  /** Calls `listener` once the group is settled, at once if it is: with null when the broker has it, else with the error. */
  onSettled(listener: (error: GomqError | null) => void): void {
    if (this.#outcome === undefined) this.#listeners.push(listener)
    else listener(this.#outcome)
  }

  /** Gives the group its outcome: null when the broker has it. Again: nothing. */
  settle(error: GomqError | null): void {
    if (this.#outcome !== undefined) return
    this.#outcome = error
    const listeners = this.#listeners
    this.#listeners = []
    for (const listener of listeners) listener(error)
  }
}
