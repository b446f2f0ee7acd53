import { GomqError, type PublishAllResult, type PublishOptions, type PublishSource } from '@gomq/client'

/** What a message is made of. */
export type Payload = string | Uint8Array

/** What publishes for a {@link Publisher}: a client. */
export interface PublisherPort {
  publishAll(topic: string, values: PublishSource<Payload>, options: PublishOptions): Promise<PublishAllResult>
}

/** Bytes from which on a message is published by itself, so that its failure is no other message's. */
const LARGE_BYTES: number = 16 * 1024

/** What became of everything that was published. */
export interface PublishOutcome {
  /** Messages that the client accepted or tried to. */
  readonly handedOver: number
  /** Messages whose publish succeeded; a lower bound if `isCountExact` is false. */
  readonly succeeded: number
  readonly isCountExact: boolean
  /** Of the messages that succeeded; -1 for none. */
  readonly lastOffset: number
  readonly failure: GomqError | undefined
  /** Which message the failure is about, counted from 1; undefined if that cannot be told. */
  readonly failedAt: number | undefined
}

/**
 * Publishes groups of messages to one topic, in order, with one promise for each group: a promise for each message would cost more than
 * the message. After the first failure nothing more is published.
 */
export class Publisher {
  /** Resolves at the first failure. */
  readonly failed: Promise<void>
  readonly #mq: PublisherPort
  readonly #topic: string
  readonly #options: PublishOptions
  readonly #onSucceeded: (count: number) => void
  readonly #underWay = new Set<Promise<void>>()
  #handedOver = 0
  #succeeded = 0
  #isCountExact = true
  #lastOffset = -1
  #failure: GomqError | undefined
  #failedAt: number | undefined
  #resolveFailed!: () => void

  /** @param onSucceeded  told how many messages have succeeded so far */
  constructor(
    mq: PublisherPort,
    topic: string,
    options: PublishOptions,
    onSucceeded: (count: number) => void = () => {},
  ) {
    this.#mq = mq
    this.#topic = topic
    this.#options = options
    this.#onSucceeded = onSucceeded
    this.failed = new Promise((resolve) => (this.#resolveFailed = resolve))
  }

  /** Hands messages over; resolves when the client has all of them and has room for more. After a failure: nothing. */
  async publish(messages: readonly Payload[]): Promise<void> {
    for (let start = 0; start < messages.length; ) {
      let end = start + 1
      if (!isLarge(messages[start]!)) while (end < messages.length && !isLarge(messages[end]!)) end++
      if (this.#failure !== undefined) return
      await this.#publishGroup(messages.slice(start, end))
      start = end
    }
  }

  /** Waits until everything that was handed over has succeeded or failed. */
  async finish(): Promise<PublishOutcome> {
    await Promise.all(this.#underWay)
    return {
      handedOver: this.#handedOver,
      succeeded: this.#succeeded,
      isCountExact: this.#isCountExact,
      lastOffset: this.#lastOffset,
      failure: this.#failure,
      failedAt: this.#failedAt,
    }
  }

  /** Resolves when the group is handed over; its success is waited for elsewhere, so that groups follow one another without a pause. */
  #publishGroup(group: readonly Payload[]): Promise<void> {
    const position = this.#handedOver + 1
    return new Promise((handedOver) => {
      const count = () => this.#handedOver++
      function* messages() {
        for (const message of group) {
          count()
          yield message
        }
        handedOver()
      }
      const settled = this.#mq.publishAll(this.#topic, messages(), this.#options).then(
        (result) => {
          this.#succeeded += result.count
          this.#lastOffset = Math.max(this.#lastOffset, result.lastOffset)
          this.#onSucceeded(this.#succeeded)
        },
        (error: unknown) => {
          if (group.length > 1) this.#isCountExact = false
          if (this.#failure === undefined) {
            this.#failure = GomqError.from(error)
            if (group.length === 1) this.#failedAt = position
          }
          this.#resolveFailed()
        },
      )
      this.#underWay.add(settled)
      void settled.then(() => {
        this.#underWay.delete(settled)
        handedOver()
      })
    })
  }
}

function isLarge(message: Payload): boolean {
  return message.length >= LARGE_BYTES
}
