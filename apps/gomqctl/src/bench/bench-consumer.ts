import type { Message, Subscription } from '@gomq/client'
import { Histogram } from './histogram.js'
import { Meter } from './meter.js'
import { END_SEQUENCE, Stamp } from './stamp.js'
import { Tally } from './tally.js'

/** Counts the messages of one consumer, each exactly once, and measures their deliveries. */
export class BenchConsumer {
  /** From the intended or real publish to the delivery. */
  readonly latency: Histogram = new Histogram()
  /** Messages beyond the warm-up. */
  readonly received: Meter = new Meter()
  readonly tally: Tally
  /** Messages that are not of this run. */
  foreign = 0
  /** Messages that came, whatever they are. */
  delivered = 0
  readonly #run: number
  readonly #producers: number
  readonly #now: () => number
  readonly #stamp = new Stamp()
  readonly #ended = new Set<number>()

  constructor(run: number, producers: number, now: () => number) {
    this.#run = run
    this.#producers = producers
    this.#now = now
    this.tally = new Tally(producers)
  }

  /** Whether everything that was stored has come: the end of each producer stands behind all of its messages. */
  get isEnded(): boolean {
    return this.#ended.size === this.#producers
  }

  /**
   * Takes the messages of a subscription until it ends, or {@link isEnded}.
   * @throws GomqError  why the subscription ended
   */
  async consume(subscription: Subscription): Promise<void> {
    while (!this.isEnded) {
      const { done, value } = await subscription.next()
      if (done === true) return
      this.handle(value)
    }
  }

  handle(message: Pick<Message, 'bytes'>): void {
    const { bytes } = message
    const stamp = this.#stamp
    this.delivered++
    if (!stamp.read(bytes) || stamp.run !== this.#run || stamp.producer >= this.#producers) {
      this.foreign++
      return
    }
    const { sequence, producer, fromMs } = stamp
    if (sequence === END_SEQUENCE) this.#ended.add(producer)
    else if (this.tally.count(producer, sequence) && fromMs >= 0) {
      const nowMs = this.#now()
      this.received.begin(fromMs)
      this.received.count(bytes.byteLength, nowMs)
      this.latency.record(nowMs - fromMs)
    }
  }
}
