import { GomqError, type Offset } from '@gomq/protocol'
import type { AckGroup } from '../session/ack-group.js'
import type { SubscriptionListener, SubscriptionState } from '../session/subscription-state.js'
import { Message } from './message.js'

/** What a subscription needs from its client. */
export interface SubscriptionOwner {
  /** Sends acknowledgements and credit soon. */
  flushSoon(): void
  unsubscribe(state: SubscriptionState, forget: boolean): Promise<void>
}

interface Reader {
  resolve(result: IteratorResult<Message, undefined>): void
  reject(error: unknown): void
}

const DONE: IteratorResult<Message, undefined> = { done: true, value: undefined }

/**
 * Messages as they come, for one `for await`. Leaving the loop leaves the subscription open: another loop goes on where it
 * stopped, and messages can still be acknowledged. {@link close} ends it.
 */
export class Subscription implements AsyncIterable<Message>, AsyncIterator<Message, undefined>, SubscriptionListener {
  readonly #owner: SubscriptionOwner
  readonly #isAutoAck: boolean
  #state!: SubscriptionState
  #readers: Reader[] = []
  #tailWaiters: { resolve(offset: Offset): void; reject(error: GomqError): void }[] = []
  #lastOffset: Offset | undefined
  #group: AckGroup | undefined
  #groupPromise: Promise<void> = Promise.resolve()

  /** @internal */
  constructor(owner: SubscriptionOwner, isAutoAck: boolean) {
    this.#owner = owner
    this.#isAutoAck = isAutoAck
  }

  /** @internal */
  attach(state: SubscriptionState): void {
    this.#state = state
  }

  [Symbol.asyncIterator](): AsyncIterator<Message, undefined> {
    return this
  }

  /**
   * The next message; calls wait in order. Done after {@link close}, or with `untilEnd` after the last one.
   * @throws GomqError  why the subscription ended, or BAD_RECORD for a record that cannot be decoded (the next call goes on after it)
   */
  next(): Promise<IteratorResult<Message, undefined>> {
    if (this.#isAutoAck && this.#lastOffset !== undefined) {
      void this.#acknowledge(this.#lastOffset)
      this.#lastOffset = undefined
    }
    if (this.#readers.length > 0) return this.#wait()
    try {
      const result = this.#take()
      return result === undefined ? this.#wait() : Promise.resolve(result)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Called when a loop is left. The last message is not acknowledged: whether it was processed cannot be told. */
  return(): Promise<IteratorResult<Message, undefined>> {
    this.#lastOffset = undefined
    return Promise.resolve(DONE)
  }

  /**
   * Resolves with the offset below which everything stored was sent to this subscription, the first time it catches up. It does
   * not when more is stored than the prefetch and nobody iterates.
   */
  caughtUp(): Promise<Offset> {
    const { tailOffset, end } = this.#state
    if (tailOffset !== undefined) return Promise.resolve(tailOffset)
    if (end !== undefined) return Promise.reject(end ?? closedError())
    return new Promise((resolve, reject) => this.#tailWaiters.push({ resolve, reject }))
  }

  /** Ends the subscription; with `forget` the broker also deletes a durable one. Again: nothing. */
  unsubscribe(options: { readonly forget?: boolean } = {}): Promise<void> {
    return this.#owner.unsubscribe(this.#state, options.forget ?? false)
  }

  /** Ends the subscription; a durable one keeps its place. Again: nothing. */
  close(): Promise<void> {
    return this.unsubscribe()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** @internal */
  handleReadable(): void {
    while (this.#readers.length > 0) {
      let result: IteratorResult<Message, undefined> | undefined
      try {
        result = this.#take()
      } catch (error) {
        this.#readers.shift()!.reject(error)
        continue
      }
      if (result === undefined) break
      this.#readers.shift()!.resolve(result)
    }
    const end = this.#state.end
    if (end !== undefined) for (const waiter of this.#tailWaiters.splice(0)) waiter.reject(end ?? closedError())
  }

  /** @internal */
  handleTail(offset: Offset): void {
    for (const waiter of this.#tailWaiters.splice(0)) waiter.resolve(offset)
  }

  #take(): IteratorResult<Message, undefined> | undefined {
    const state = this.#state
    const delivered = state.next()
    if (state.hasCredit) this.#owner.flushSoon()
    if (delivered !== undefined) {
      if (this.#isAutoAck) this.#lastOffset = delivered.offset
      return { done: false, value: new Message(delivered, this.#acknowledge) }
    }
    if (state.end === null || state.isExhausted) return DONE
    if (state.end !== undefined) throw state.end
    return undefined
  }

  #wait(): Promise<IteratorResult<Message, undefined>> {
    return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }))
  }

  /** All that is acknowledged before the next flush shares one promise. */
  readonly #acknowledge = (offset: Offset): Promise<void> => {
    const group = this.#state.ack(offset)
    if (group === undefined) {
      if (this.#state.end === undefined || this.#state.request.qos === 0) return Promise.resolve()
      return Promise.reject(this.#state.end ?? closedError())
    }
    if (group === this.#group) return this.#groupPromise
    this.#group = group
    this.#groupPromise = new Promise((resolve, reject) => {
      group.onSettled((error) => (error === null ? resolve() : reject(error)))
    })
    this.#groupPromise.catch(() => {})
    this.#owner.flushSoon()
    return this.#groupPromise
  }
}

function closedError(): GomqError {
  return new GomqError('CLOSED', 'the subscription is closed')
}
