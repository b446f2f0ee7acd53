import type { Message } from './message.js'

/** Where the messages of a loop come from. */
export interface MessageSource {
  readonly isAutoAck: boolean
  /** The next result at once, undefined if there is none yet. @throws GomqError  why the subscription ended */
  take(): IteratorResult<Message, undefined> | undefined
  /** Appends what is there at once, until `messages` are `countMax`. An end is told by {@link take}. */
  takeMore(messages: Message[], countMax: number): void
  /** Queues behind those who wait already. */
  wait(reader: Reader): void
  /** Takes a reader back that waits; it is settled by the caller. */
  withdraw(reader: Reader): void
}

/** Someone who waits for a message. */
export interface Reader {
  resolve(result: IteratorResult<Message, undefined>): void
  reject(error: unknown): void
}

const DONE: IteratorResult<Message, undefined> = { done: true, value: undefined }

/**
 * One loop over a subscription. Each loop acknowledges, if that is automatic, the message that it had and no other, so that several
 * loops can share a subscription.
 */
export class MessageIterator implements AsyncIterator<Message, undefined> {
  readonly #source: MessageSource
  #last: Message | undefined
  #waiting: Reader[] = []

  constructor(source: MessageSource) {
    this.#source = source
  }

  /**
   * The next message; calls wait in order. Done after the subscription has ended, or with `untilEnd` after the last one.
   * @throws GomqError  why the subscription ended
   */
  next(): Promise<IteratorResult<Message, undefined>> {
    const source = this.#source
    if (this.#last !== undefined) {
      this.#last.acknowledge()
      this.#last = undefined
    }
    let result: IteratorResult<Message, undefined> | undefined
    try {
      result = source.take()
    } catch (error) {
      return Promise.reject(error)
    }
    if (result === undefined) return this.#wait()
    if (source.isAutoAck) this.#last = result.value
    return Promise.resolve(result)
  }

  /** Called when a loop is left. The last message is not acknowledged: whether it was processed cannot be told. */
  return(): Promise<IteratorResult<Message, undefined>> {
    this.#last = undefined
    for (const reader of this.#waiting.splice(0)) {
      this.#source.withdraw(reader)
      reader.resolve(DONE)
    }
    return Promise.resolve(DONE)
  }

  #wait(): Promise<IteratorResult<Message, undefined>> {
    return new Promise((resolve, reject) => {
      const reader: Reader = {
        resolve: (result) => {
          this.#forget(reader)
          if (this.#source.isAutoAck) this.#last = result.value
          resolve(result)
        },
        reject: (error) => {
          this.#forget(reader)
          reject(error)
        },
      }
      this.#waiting.push(reader)
      this.#source.wait(reader)
    })
  }

  #forget(reader: Reader): void {
    const at = this.#waiting.indexOf(reader)
    if (at >= 0) this.#waiting.splice(at, 1)
  }
}
