import { type GomqClient, GomqError, type PublishAck, type PublishOptions } from '@gomq/client'
import { AckLane } from './ack-lane.js'
import { Histogram } from './histogram.js'
import { Meter } from './meter.js'
import type { OpenLoop } from './open-loop.js'
import { END_SEQUENCE, STAMP_BYTES, Stamp } from './stamp.js'

/** Messages that are published before acknowledgements, deliveries and other producers have their turn. */
const TURN_MESSAGES_MAX = 1000
/** In the place of a time: what belongs to the warm-up is not measured. */
const NOT_MEASURED = -1

/** What one producer of a bench does. */
export interface ProducerTask {
  readonly run: number
  /** Which of the producers, from 0. */
  readonly producer: number
  /** Taken in turns, beginning with a different one for each producer. */
  readonly topics: readonly string[]
  readonly qos: 0 | 1 | 2
  /** All that is published, but for the stamp. */
  readonly payload: Uint8Array
  readonly isStamped: boolean
  /** Messages that may be unacknowledged. */
  readonly window: number
  /** Messages to publish; Infinity: until it is stopped. */
  readonly messagesMax: number
  /** When each is to be sent; undefined: as soon as the window has room. */
  readonly schedule: OpenLoop | undefined
  /** The first messages, which are not measured. */
  readonly warmupMessages: number
  /** Nor are those of before this time. */
  readonly warmupEndMs: number
}

/** Publishes the messages of one producer and measures their acknowledgements. */
export class BenchProducer {
  /** From the intended or real publish to the acknowledgement. */
  readonly latency: Histogram = new Histogram()
  /** How late the messages of an open loop were handed to the client. */
  readonly lateness: Histogram = new Histogram()
  /** Acknowledged messages beyond the warm-up. */
  readonly acked: Meter = new Meter()
  /** Sequences whose publish failed; they may be stored all the same. */
  readonly failed: Set<number> = new Set()
  /** Why the first one failed. */
  failure: GomqError | undefined
  /** What the broker says an acknowledgement means, as often as it changed. */
  readonly durabilities: Set<PublishAck['durability']> = new Set()
  readonly #mq: GomqClient
  readonly #task: ProducerTask
  readonly #now: () => number
  readonly #options: PublishOptions
  readonly #lanes = new Map<string, AckLane>()
  readonly #stamp = new Stamp()
  #published = 0
  #ackedCount = 0
  #isHeld = false
  #isStopped = false
  #isWaitingForRoom = false
  #onReleased = () => {}

  /** @param now  milliseconds, of a clock that does not go back */
  constructor(mq: GomqClient, task: ProducerTask, now: () => number) {
    this.#mq = mq
    this.#task = task
    this.#now = now
    this.#options = { qos: task.qos }
  }

  /** Messages that were handed to the client; their sequences are below this. */
  get published(): number {
    return this.#published
  }

  /** Messages that were acknowledged, those of the warm-up too. */
  get ackedCount(): number {
    return this.#ackedCount
  }

  /** Messages that are neither acknowledged nor failed. */
  get unacked(): number {
    return this.#published - this.#ackedCount - this.failed.size
  }

  /** Whether it publishes no more. */
  get isDone(): boolean {
    return this.#isStopped || this.#published >= this.#task.messagesMax
  }

  /** Calls `listener` when acknowledgements have made room again, or all that was published has settled. */
  onReleased(listener: () => void): void {
    this.#onReleased = listener
  }

  /** Publishes no more. */
  stop(): void {
    this.#isStopped = true
  }

  /**
   * Publishes what is due and has room.
   * @returns when it has to be called again; Infinity: when it is released, or never
   */
  publishDue(nowMs: number): number {
    const { schedule } = this.#task
    for (let turn = 0; turn < TURN_MESSAGES_MAX; turn++) {
      if (this.isDone) return Number.POSITIVE_INFINITY
      const intendedMs = schedule?.intendedMs(this.#published)
      if (intendedMs !== undefined && intendedMs > nowMs) return intendedMs
      if (!this.#hasRoom()) return Number.POSITIVE_INFINITY
      this.#publish(intendedMs)
    }
    return nowMs
  }

  /**
   * Publishes the message behind all others, by which consumers know that nothing more follows.
   * @throws GomqError  as publish
   */
  async publishEnd(timeoutMs: number): Promise<void> {
    const { run, producer, topics, qos } = this.#task
    const payload = new Uint8Array(STAMP_BYTES)
    this.#stamp.write(payload, run, producer, END_SEQUENCE, NOT_MEASURED)
    await this.#mq.publish(topics[0]!, payload, { qos, timeoutMs })
  }

  #publish(intendedMs: number | undefined): void {
    const { payload, isStamped, topics, producer, run, warmupMessages, warmupEndMs } = this.#task
    const sequence = this.#published++
    const sentMs = this.#now()
    const isMeasured = sequence >= warmupMessages && sentMs >= warmupEndMs
    const fromMs = isMeasured ? (intendedMs ?? sentMs) : NOT_MEASURED
    if (isMeasured) {
      this.acked.begin(fromMs)
      if (intendedMs !== undefined) this.lateness.record(sentMs - intendedMs)
    }
    let bytes = payload
    if (isStamped) {
      bytes = payload.slice()
      this.#stamp.write(bytes, run, producer, sequence, fromMs)
    }
    const topic = topics[(producer + sequence) % topics.length]!
    this.#laneOf(topic).add(this.#mq.publish(topic, bytes, this.#options), fromMs, sequence)
  }

  #laneOf(topic: string): AckLane {
    let lane = this.#lanes.get(topic)
    if (lane === undefined) this.#lanes.set(topic, (lane = new AckLane(this)))
    return lane
  }

  /** Whether the window and the buffer of the client take another one. */
  #hasRoom(): boolean {
    if (this.unacked >= this.#task.window) {
      this.#isHeld = true
      return false
    }
    const room = this.#mq.writable()
    if (room === undefined) return true
    this.#isHeld = true
    if (!this.#isWaitingForRoom) {
      this.#isWaitingForRoom = true
      const release = () => {
        this.#isWaitingForRoom = false
        this.#release()
      }
      // That the client has ended is told by the publishes.
      room.then(release, release)
    }
    return false
  }

  /** For its lanes. @internal */
  handleAck(fromMs: number, ack: PublishAck): void {
    this.#ackedCount++
    this.durabilities.add(ack.durability)
    if (fromMs !== NOT_MEASURED) {
      const nowMs = this.#now()
      this.acked.count(this.#task.payload.byteLength, nowMs)
      this.latency.record(nowMs - fromMs)
    }
    this.#release()
  }

  /** For its lanes. @internal */
  handleFailure(sequence: number, error: unknown): void {
    this.failed.add(sequence)
    this.failure ??= GomqError.from(error)
    this.stop()
    this.#release()
  }

  #release(): void {
    if (!this.#isHeld && !(this.isDone && this.unacked === 0)) return
    this.#isHeld = false
    this.#onReleased()
  }
}
