import { GomqError, type Offset } from '@gomq/protocol'
import type { AckGroup } from '../session/ack-group.js'
import type { PublishAck } from '../session/publish-batch.js'
import type { SubscriptionListener, SubscriptionState } from '../session/subscription-state.js'
import { Message, type MessageOwner } from './message.js'
import { MessageGroups } from './message-groups.js'
import { MessageIterator, type MessageSource, type Reader } from './message-iterator.js'
import type { PublishOptions } from './options.js'

/** What a subscription needs from its client. */
export interface SubscriptionOwner {
  /** Sends acknowledgements and credit soon. */
  flushSoon(): void
  unsubscribe(state: SubscriptionState, forget: boolean): Promise<void>
  publish(topic: string, value: unknown, options: PublishOptions): Promise<PublishAck>
  handleLag(subscription: Subscription, lagRecords: number): void
  handleMissed(subscription: Subscription, from: Offset, to: Offset): void
}

/**
 * Messages as they come, for `for await`. Leaving a loop leaves the subscription open: another loop goes on where it stopped, and
 * messages can still be acknowledged. Several loops at once share the messages. {@link close} ends it.
 */
export class Subscription implements AsyncIterable<Message, undefined> {
  readonly #owner: SubscriptionOwner
  readonly #source: MessageSource
  readonly #messageOwner: MessageOwner
  #state!: SubscriptionState
  #readers: Reader[] = []
  #tailWaiters: { resolve(offset: Offset): void; reject(error: GomqError): void }[] = []
  #direct: MessageIterator | undefined
  readonly #onEnd: (() => void)[] = []
  readonly #promises = new WeakMap<AckGroup, Promise<void>>()
  #newest: { readonly group: AckGroup; readonly promise: Promise<void> } | undefined

  /** @internal */
  constructor(owner: SubscriptionOwner, qos: 0 | 1 | 2, isAutoAck: boolean) {
    this.#owner = owner
    this.#messageOwner = {
      qos,
      isRetained: (offset) => this.#state.isRetained(offset),
      publish: (topic, value, options) => owner.publish(topic, value, options),
      ack: (offset) => {
        const group = this.#state.ack(offset)
        if (this.#state.isDirty) owner.flushSoon()
        return group
      },
      settled: (group) => {
        if (group !== undefined) return this.#promiseOf(group)
        const { end, keepsAcks } = this.#state
        return end === undefined || !keepsAcks ? Promise.resolve() : silent(Promise.reject(this.#endError()))
      },
    }
    this.#source = {
      isAutoAck,
      take: () => (this.#readers.length > 0 ? undefined : this.#take()),
      takeMore: (messages, countMax) => {
        if (this.#readers.length > 0) return
        const state = this.#state
        while (messages.length < countMax && state.advance())
          messages.push(new Message(state.records, state.index, this.#messageOwner))
        if (state.isDirty) owner.flushSoon()
      },
      wait: (reader) => this.#readers.push(reader),
      withdraw: (reader) => {
        this.#readers = this.#readers.filter((each) => each !== reader)
      },
    }
  }

  /** @internal */
  attach(state: SubscriptionState): void {
    this.#state = state
  }

  /** Listens on behalf of the session. @internal */
  readonly listener: SubscriptionListener = {
    handleReadable: () => this.#handleReadable(),
    handleTail: (offset) => {
      for (const waiter of this.#tailWaiters.splice(0)) waiter.resolve(offset)
    },
    handleLag: (lagRecords) => this.#owner.handleLag(this, lagRecords),
    handleMissed: (from, to) => this.#owner.handleMissed(this, from, to),
  }

  /** Calls `listener` when the subscription is over, at once if it is. @internal */
  onEnd(listener: () => void): void {
    if (this.#state.isOver) listener()
    else this.#onEnd.push(listener)
  }

  /**
   * A loop of its own. Its `next` resolves with the next message; it is done after {@link close}, or with `untilEnd` after the last
   * message, and rejects with the reason if the subscription ended for another one.
   */
  [Symbol.asyncIterator](): AsyncIterator<Message, undefined> {
    return new MessageIterator(this.#source)
  }

  /**
   * A loop that gets, each time, all messages that are there, 1,024 at most: for those who handle hundreds of thousands a second, or many at once in
   * one transaction. With `ack: 'auto'` a group is acknowledged as a whole, when the next is asked for.
   */
  groups(): AsyncIterableIterator<readonly Message[], undefined> {
    return new MessageGroups(this.#source)
  }

  /**
   * The next message, for those who ask one at a time: a loop like any other, shared by all calls. Calls wait in order.
   * @throws GomqError  why the subscription ended
   */
  next(): Promise<IteratorResult<Message, undefined>> {
    this.#direct ??= new MessageIterator(this.#source)
    return this.#direct.next()
  }

  /**
   * Resolves with the offset below which everything stored was sent to this subscription, the first time it catches up. It does
   * not when more is stored than the prefetch and nobody iterates.
   * @throws GomqError CLOSED, or why the subscription ended before
   */
  caughtUp(): Promise<Offset> {
    const { tailOffset, isOver } = this.#state
    if (tailOffset !== undefined) return Promise.resolve(tailOffset)
    if (isOver) return Promise.reject(this.#endError())
    return new Promise((resolve, reject) => this.#tailWaiters.push({ resolve, reject }))
  }

  /**
   * Ends the subscription; with `forget` the broker also deletes a durable one. Loops end at once; resolves when the broker has the
   * acknowledgements made before. Again: waits for the same end.
   * @throws GomqError TIMEOUT  the broker did not answer within `requestTimeoutMs`; the subscription has ended all the same
   * @throws GomqError CLOSED   the client was closed meanwhile, or the subscription that is to be forgotten has ended already
   */
  unsubscribe(options: { readonly forget?: boolean } = {}): Promise<void> {
    return this.#owner.unsubscribe(this.#state, options.forget ?? false)
  }

  /** Ends the subscription; a durable one keeps its place. See {@link unsubscribe}. */
  close(): Promise<void> {
    return this.unsubscribe()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #handleReadable(): void {
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
    if (!this.#state.isOver) return
    for (const waiter of this.#tailWaiters.splice(0)) waiter.reject(this.#endError())
    for (const listener of this.#onEnd.splice(0)) listener()
  }

  #take(): IteratorResult<Message, undefined> | undefined {
    const state = this.#state
    if (state.advance()) {
      if (state.isDirty) this.#owner.flushSoon()
      return { done: false, value: new Message(state.records, state.index, this.#messageOwner) }
    }
    if (state.end) throw state.end
    return state.isOver || state.isExhausted ? { done: true, value: undefined } : undefined
  }

  /** One promise for all who wait for a group; the newest group is mostly the one that is asked for. */
  #promiseOf(group: AckGroup): Promise<void> {
    if (group === this.#newest?.group) return this.#newest.promise
    let promise = this.#promises.get(group)
    if (promise === undefined) {
      promise = silent(
        new Promise((resolve, reject) => {
          group.onSettled((error) => (error === null ? resolve() : reject(error)))
        }),
      )
      this.#promises.set(group, promise)
      this.#newest = { group, promise }
    }
    return promise
  }

  #endError(): GomqError {
    return this.#state.end ?? new GomqError('CLOSED', 'the subscription is closed')
  }
}

/** A promise whose rejection need not be looked at. */
function silent(promise: Promise<void>): Promise<void> {
  promise.catch(() => {})
  return promise
}
