import type { PublishAck } from '@gomq/client'

/** Acknowledged messages that are kept before room is made. */
const DONE_MAX = 4096

/** Told what becomes of the messages of a lane, in order. */
export interface AckListener {
  /** @param fromMs  since when its latency counts */
  handleAck(fromMs: number, ack: PublishAck): void
  handleFailure(sequence: number, error: unknown): void
}

/**
 * The messages of one producer and topic that are not acknowledged. They are acknowledged in order, so one loop awaits them one after the
 * other: a message costs no closure and no promise beyond the one that `publish` returns.
 */
export class AckLane {
  readonly #listener: AckListener
  #promises: Promise<PublishAck>[] = []
  #fromMs: number[] = []
  #sequences: number[] = []
  #isRunning = false

  constructor(listener: AckListener) {
    this.#listener = listener
  }

  /** A message was published. */
  add(promise: Promise<PublishAck>, fromMs: number, sequence: number): void {
    this.#promises.push(promise)
    this.#fromMs.push(fromMs)
    this.#sequences.push(sequence)
    if (!this.#isRunning) void this.#run()
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    for (let at = 0; at < this.#promises.length; at++) {
      try {
        const ack = await this.#promises[at]!
        this.#listener.handleAck(this.#fromMs[at]!, ack)
      } catch (error) {
        this.#listener.handleFailure(this.#sequences[at]!, error)
      }
      if (at === DONE_MAX) {
        this.#forget(at)
        at = 0
      }
    }
    this.#forget(this.#promises.length)
    this.#isRunning = false
  }

  /** Forgets the first ones, which are settled. */
  #forget(count: number): void {
    this.#promises = this.#promises.slice(count)
    this.#fromMs = this.#fromMs.slice(count)
    this.#sequences = this.#sequences.slice(count)
  }
}
