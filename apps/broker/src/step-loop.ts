import type { Peer } from './peer.js'

/**
 * Runs the inputs of the engine one after the other and flushes, when they are done, every peer that got something. An input that
 * comes up while another runs waits for it: the engine is never entered twice.
 */
export class StepLoop {
  readonly #afterStep: () => void
  readonly #onError: (error: unknown) => void
  #waiting: (() => void)[] = []
  readonly #dirty = new Set<Peer>()
  #isRunning = false
  #isStopped = false

  /**
   * @param afterStep  called when nothing waits any more
   * @param onError    an input threw: a bug; no input runs after it
   */
  constructor(afterStep: () => void, onError: (error: unknown) => void) {
    this.#afterStep = afterStep
    this.#onError = onError
  }

  /** Runs `input` now, or after the one that is running. */
  step(input: () => void): void {
    if (this.#isStopped) return
    if (this.#isRunning) {
      this.#waiting.push(input)
      return
    }
    this.#isRunning = true
    try {
      input()
      this.#settle()
      this.#afterStep()
    } catch (error) {
      this.stop()
      this.#onError(error)
    } finally {
      this.#isRunning = false
    }
  }

  /** The peer has something to flush when the step ends. */
  markDirty(peer: Peer): void {
    this.#dirty.add(peer)
  }

  /** Runs nothing any more. */
  stop(): void {
    this.#isStopped = true
    this.#waiting = []
    this.#dirty.clear()
  }

  #settle(): void {
    while (this.#waiting.length > 0 || this.#dirty.size > 0) {
      const inputs = this.#waiting
      this.#waiting = []
      for (const input of inputs) input()
      for (const peer of this.#dirty) {
        this.#dirty.delete(peer)
        peer.flush()
      }
    }
  }
}
