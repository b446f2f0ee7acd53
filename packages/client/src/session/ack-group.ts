import type { GomqError } from '@gomq/protocol'
import { OffsetRanges } from '@gomq/protocol'

/** Acknowledgements that travel together and settle together. */
export class AckGroup {
  readonly ranges: OffsetRanges = new OffsetRanges()
  /** Of the packet that carries it; 0 until it is sent. */
  requestId = 0
  #outcome: GomqError | null | undefined
  #listeners: ((error: GomqError | null) => void)[] = []

  /** Calls `listener` once the group is settled: with null when the broker has it, else with the error. */
  onSettled(listener: (error: GomqError | null) => void): void {
    if (this.#outcome === undefined) this.#listeners.push(listener)
    else listener(this.#outcome)
  }

  /** Again: nothing. */
  settle(error: GomqError | null): void {
    if (this.#outcome !== undefined) return
    this.#outcome = error
    const listeners = this.#listeners
    this.#listeners = []
    for (const listener of listeners) listener(error)
  }
}
