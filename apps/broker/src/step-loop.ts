import type { Peer } from './peer.js'

/** What a step loop is made of. */
export interface StepLoopOptions {
  /** Called when nothing waits any more. */
  afterStep(): void
  /** An input threw: a bug; no input runs after it. */
  onError(error: unknown): void
  /** Whether anything may leave now; asked before peers are flushed. Always by default. */
  mayFlush?(): boolean
  /** Nothing may leave: the loop holds, until {@link StepLoop.release}. */
  onHeld?(): void
}

/**
 * Runs the inputs of the engine one after the other and flushes, when they are done, every peer that got something. An input that
 * comes up while another runs waits for it: the engine is never entered twice. While it is held, inputs wait and nothing leaves.
 */
export class StepLoop {
  readonly #options: StepLoopOptions
  #waiting: (() => void)[] = []
  readonly #dirty = new Set<Peer>()
  #isRunning = false
  #isHeld = false
  #isStopped = false

  constructor(options: StepLoopOptions) {
    this.#options = options
  }

  /** Whether inputs wait until {@link release}. */
  get isHeld(): boolean {
    return this.#isHeld
  }

  /** Runs `input` now, or after the one that is running. */
  step(input: () => void): void {
    if (this.#isStopped) return
    if (this.#isRunning || this.#isHeld) {
      this.#waiting.push(input)
      return
    }
    this.#isRunning = true
    try {
      input()
      this.#settle()
      this.#options.afterStep()
    } catch (error) {
      this.stop()
      this.#options.onError(error)
    } finally {
      this.#isRunning = false
    }
  }

  /** The peer has something to flush when the step ends. */
  markDirty(peer: Peer): void {
    this.#dirty.add(peer)
  }

  /** Lets inputs wait and peers keep what they have to send. Again: nothing happens. */
  hold(): void {
    if (this.#isHeld || this.#isStopped) return
    this.#isHeld = true
    this.#options.onHeld?.()
  }

  /** Goes on with what waits. If it is not held: nothing happens. */
  release(): void {
    if (!this.#isHeld) return
    this.#isHeld = false
    this.step(() => undefined)
  }

  /** Runs nothing any more. */
  stop(): void {
    this.#isStopped = true
    this.#waiting = []
    this.#dirty.clear()
  }

  #settle(): void {
    while (!this.#isHeld && (this.#waiting.length > 0 || this.#dirty.size > 0)) {
      const inputs = this.#waiting
      this.#waiting = []
      for (const input of inputs) input()
      if (this.#dirty.size > 0) this.#flush()
    }
  }

  #flush(): void {
    if (this.#options.mayFlush?.() === false) return this.hold()
    for (const peer of this.#dirty) {
      this.#dirty.delete(peer)
      peer.flush()
    }
  }
}
