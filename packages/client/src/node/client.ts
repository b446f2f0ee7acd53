import { GomqError } from '@gomq/protocol'
import { crc32, deflate, inflate, systemRandom } from '@gomq/protocol/node'
import {
  ACKS_GATHER_MS,
  BULK_ROOM_SHARE,
  CLUSTER_PATIENCE_MS,
  PATIENCE_MS_DEFAULT,
  ROOM_SHARE,
} from '../session/limits.js'
import type { PublishAck } from '../session/publish-batch.js'
import { ClientSession } from '../session/session.js'
import type { SubscriptionRequest, SubscriptionState } from '../session/subscription-state.js'
import type { Waiter } from '../session/waiter.js'
import { abortError, withSignal } from './abort.js'
import type { Address } from './address.js'
import type { ResolvedConnectOptions } from './connect-options.js'
import { Link } from './link.js'
import type { Message } from './message.js'
import type { OutgoingMessage, PublishOptions, SubscribeOptions } from './options.js'
import { type PublishAllOptions, type PublishAllResult, type PublishSource, publishAll } from './publish-all.js'
import { PublishEncoder } from './publish-encoder.js'
import { Requester, type RequestOptions } from './requester.js'
import type { StandardSchema } from './standard-schema.js'
import { subscribeRequest } from './subscribe-request.js'
import { Subscription, type SubscriptionOwner } from './subscription.js'
import { TypedTopic } from './typed-topic.js'

/** Milliseconds between two looks at deadlines; timeouts are this exact. */
const TICK_MS = 100

const NO_OPTIONS: PublishOptions = Object.freeze({})

/** What {@link capture} took last: a function for all promises instead of a closure for each. */
let captured: Waiter<PublishAck>
function capture(resolve: (ack: PublishAck) => void, reject: (error: GomqError) => void): void {
  captured = { resolve, reject }
}

/** Events of a client and what their listeners are told. */
export interface ClientEvents {
  /** A connection stands, the first one or a later one. */
  connected: (info: { readonly clientId: string; readonly brokerId: string }) => void
  /** The connection is gone; the client goes on trying unless it is closed. */
  disconnected: (error: GomqError) => void
  /** Another attempt follows after `delayMs`. */
  reconnecting: (info: { readonly attempt: number; readonly delayMs: number }) => void
  /**
   * How far a subscription is behind, when that changed; asked for once a second while somebody listens. Counts what waits here and the records
   * of the log that the broker has not looked at for it, of all topics: an upper bound while it is behind, exact once it has caught up.
   */
  lag: (info: { readonly subscription: Subscription; readonly lagRecords: number }) => void
  /**
   * Retention removed messages before this subscription came to them: what stood in the log from `from` on and below `to` may have held some.
   * Told once for each stretch; the subscription goes on at `to`. Messages from before it may still wait here.
   */
  missed: (info: { readonly subscription: Subscription; readonly from: number; readonly to: number }) => void
}

/** A client of a broker. It reconnects by itself; whatever it was given settles, with a result or a {@link GomqError}. */
export class GomqClient {
  readonly #options: ResolvedConnectOptions
  readonly #session: ClientSession
  readonly #link: Link
  readonly #encoder: PublishEncoder
  readonly #requester: Requester
  readonly #listeners = {
    connected: new Set(),
    disconnected: new Set(),
    reconnecting: new Set(),
    lag: new Set(),
    missed: new Set(),
  } as {
    readonly [E in keyof ClientEvents]: Set<ClientEvents[E]>
  }
  #ticker: NodeJS.Timeout | undefined
  /** Runs while acknowledgements gather. */
  #gathering: NodeJS.Timeout | undefined
  #flushIsDue = false
  #closing: Promise<void> | undefined
  #whenIdle: (() => void) | null = null
  #fatal: GomqError | null = null

  /** @internal */
  constructor(addresses: readonly Address[], options: ResolvedConnectOptions) {
    this.#options = options
    this.#requester = new Requester({
      timeoutMs: options.requestTimeoutMs,
      publish: (topic, value, how) => this.publish(topic, value, how),
      // Answers are for this process: their subscription is not durable, whatever the session is.
      subscribe: (filter, how) => this.#subscribe(subscribeRequest(filter, how, false), how),
    })
    this.#encoder = new PublishEncoder(options.publishTimeoutMs)
    this.#session = new ClientSession({
      ...options,
      patienceMs: addresses.length > 1 ? CLUSTER_PATIENCE_MS : PATIENCE_MS_DEFAULT,
      agent: 'gomq-client-node/0.1.0',
      random: systemRandom,
      crc32,
      inflate,
      deflate: options.compression === 'deflate' ? deflate : undefined,
      outbox: {
        send: (packet) => this.#link.send(packet),
        disconnect: (error, leader) => this.#link.disconnect(error ?? closedError(), leader),
        connected: (connack) => {
          this.#encoder.messageBytesMax = connack.messageBytesMax
          this.#link.handleEstablished(connack.frameBytesMax)
          this.#emit('connected', { clientId: connack.clientId, brokerId: connack.brokerId })
        },
        expelled: (error) => {
          this.#fatal = error
          // What was under way may be done all the same: it is not refused for the reason of the expulsion.
          const message = `the broker sent the client away (${error.code}) before it answered; it may be done all the same`
          void this.#finish(new GomqError('CLOSED', message, { cause: error }), error)
        },
      },
    })
    this.#link = new Link(
      { ...options, addresses, random: systemRandom },
      {
        handleOpen: () => this.#session.handleOpen(Date.now()),
        handlePacket: (packet) => this.#session.handlePacket(packet, Date.now()),
        handlePause: () => {
          // Before those who wait for room fill the turn with publishes: the broker works on what goes now meanwhile.
          if (this.#session.producer.isBacklogged) this.#flush(false)
          this.#flushSoon()
        },
        handleBlocked: (isBlocked) => {
          this.#session.handleBlocked(isBlocked)
          if (!isBlocked) this.#flushSoon()
        },
        handleClosed: () => this.#session.handleClosed(),
        handleLost: (error) => this.#emit('disconnected', error),
        handleReconnecting: (attempt, delayMs) => this.#emit('reconnecting', { attempt, delayMs }),
      },
    )
  }

  /** @internal */
  async open(signal: AbortSignal | undefined): Promise<void> {
    try {
      if (signal?.aborted) throw abortError(signal, 'connect')
      await withSignal(this.#link.connect(), signal, 'connect', () => void this.#finish(closedError(), null))
      // Connections hold the process, not the clock.
      this.#ticker = setInterval(() => this.#tick(), TICK_MS).unref()
    } catch (error) {
      void this.#finish(closedError(), null)
      throw this.#fatal ?? error
    }
  }

  /** Its own id, or the one that the broker made up. */
  get clientId(): string {
    return this.#session.connack?.clientId ?? ''
  }

  /** The broker behind the last connection; undefined before the first. */
  get broker(): { readonly id: string; readonly version: string; readonly epoch: number } | undefined {
    const connack = this.#session.connack
    return connack && { id: connack.brokerId, version: connack.brokerVersion, epoch: connack.epoch }
  }

  /** Whether the broker had kept anything for this client id when the last connection was made. */
  get sessionPresent(): boolean {
    return this.#session.connack?.sessionPresent ?? false
  }

  /** Whether a connection stands now. */
  get isConnected(): boolean {
    return this.#session.isEstablished
  }

  /**
   * Publishes one message. Text and bytes go as they are, anything else as msgpack. Messages of a topic keep their order. Waits
   * while the buffer is full.
   * @throws GomqError TIMEOUT, CLOSED, ABORTED (it may be stored all the same), BUFFER_FULL, or why the broker refused it
   */
  publish(topic: string, value: unknown, options: PublishOptions = NO_OPTIONS): Promise<PublishAck> {
    const promise = new Promise<PublishAck>(capture)
    const waiter = captured
    const { signal } = options
    try {
      if (signal?.aborted) throw abortError(signal, 'publish')
      this.#publish(topic, value, options, waiter)
    } catch (error) {
      waiter.reject(error as GomqError)
    }
    if (signal === undefined) return promise
    return withSignal(promise, signal, 'publish', () => this.#session.producer.cancel(waiter))
  }

  /**
   * Publishes many messages with one promise for all: values of one topic that are published alike, or messages that each say their own topic,
   * key and the rest. Paces itself by the buffer and stops at the first failure.
   * @throws GomqError  the first failure; messages before and after it may be stored
   */
  publishAll(topic: string, values: PublishSource<unknown>, options?: PublishOptions): Promise<PublishAllResult>
  publishAll(messages: PublishSource<OutgoingMessage>, options?: PublishAllOptions): Promise<PublishAllResult>
  async publishAll(
    first: string | PublishSource<OutgoingMessage>,
    second?: PublishSource<unknown> | PublishAllOptions,
    third?: PublishOptions,
  ): Promise<PublishAllResult> {
    const room = () => this.#room(BULK_ROOM_SHARE)
    if (typeof first === 'string') {
      const options = third ?? NO_OPTIONS
      const publish = (value: unknown, waiter: Waiter<PublishAck>) => this.#publish(first, value, options, waiter)
      return publishAll(second as PublishSource<unknown>, { publish, room }, options.signal)
    }
    const publish = (message: OutgoingMessage, waiter: Waiter<PublishAck>) =>
      this.#publish(message.topic, message.value, message, waiter)
    return publishAll(first, { publish, room }, (second as PublishAllOptions | undefined)?.signal)
  }

  /**
   * Resolves when less than an eighth of the buffer is unsettled, or most of it while that is in many small batches: of thousands of topics. Nothing
   * to wait for if so. For producers that do not await each publish.
   */
  writable(): Promise<void> | void {
    return this.#room(ROOM_SHARE)
  }

  /**
   * Subscribes to one or more topic filters. Resolves when the subscription stands; it outlives connections.
   * @throws GomqError TIMEOUT, CLOSED, ABORTED, INVALID_FILTER, INVALID_ARGUMENT, or why the broker refused it
   */
  async subscribe(filters: string | readonly string[], options: SubscribeOptions = {}): Promise<Subscription> {
    return this.#subscribe(subscribeRequest(filters, options, this.#options.isAlwaysDurable), options)
  }

  /**
   * Publishes a request, QoS 1 by default, and resolves with the first answer: somebody who subscribes to `topic` calls
   * `message.reply(value)`. Nobody is given the request after `timeoutMs`.
   * @throws GomqError TIMEOUT  no answer in time: nobody listens, or the answer was lost or late. The request may have been received
   * @throws GomqError CLOSED, ABORTED, BUFFER_FULL, or why the request could not be published
   */
  request(topic: string, value: unknown, options: RequestOptions = {}): Promise<Message> {
    return this.#requester.request(topic, value, options)
  }

  /**
   * A topic, or a filter to subscribe to, whose values fit a schema: one of zod, valibot or any library with Standard Schema.
   *
   *     const orders = mq.topic('orders', z.object({ id: z.number() }))
   *     await orders.publish({ id: 7 })
   */
  topic<S extends StandardSchema>(name: string, schema: S): TypedTopic<S> {
    return new TypedTopic(this, name, schema)
  }

  /** Calls `listener` at each event until the returned function is called. */
  on<E extends keyof ClientEvents>(event: E, listener: ClientEvents[E]): () => void {
    const listeners = this.#listeners[event]
    listeners.add(listener)
    this.#watchLag()
    return () => {
      listeners.delete(listener)
      this.#watchLag()
    }
  }

  /**
   * Waits until what was published and acknowledged has settled, ends all iterations and says goodbye. Publishes and subscribes
   * after the call are refused. What is not settled after `timeoutMs` (`publishTimeoutMs` by default) fails with CLOSED. Again: the
   * same promise.
   */
  close(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#drain(options.timeoutMs ?? this.#options.publishTimeoutMs)
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #drain(timeoutMs: number): Promise<void> {
    this.#flush(true)
    if (!this.#session.isIdle) {
      const deadline = setTimeout(() => this.#whenIdle?.(), timeoutMs)
      await new Promise<void>((resolve) => (this.#whenIdle = resolve))
      clearTimeout(deadline)
    }
    await this.#finish(closedError(), null)
  }

  /** The end, for whatever reason. Again: nothing. */
  #finish(error: GomqError, reason: GomqError | null): Promise<void> {
    this.#closing ??= Promise.resolve()
    clearInterval(this.#ticker)
    clearTimeout(this.#gathering)
    this.#session.end(error, reason)
    this.#whenIdle?.()
    return this.#link.close(error)
  }

  async #subscribe(request: SubscriptionRequest, options: SubscribeOptions): Promise<Subscription> {
    this.#assertOpen()
    const { signal } = options
    if (signal?.aborted) throw abortError(signal, 'subscribe')
    const owner: SubscriptionOwner = {
      flushSoon: () => this.#flushSoon(),
      unsubscribe: (state, forget) => this.#unsubscribe(state, forget),
      publish: (topic, value, options) => this.publish(topic, value, options),
      handleLag: (subscription, lagRecords) => this.#emit('lag', { subscription, lagRecords }),
      handleMissed: (subscription, from, to) => this.#emit('missed', { subscription, from, to }),
    }
    const subscription = new Subscription(owner, request.qos, options.ack === 'auto')
    let state!: SubscriptionState
    const standing = new Promise<SubscriptionState>((resolve, reject) => {
      state = this.#session.subscribe(request, subscription.listener, { resolve, reject }, Date.now())
      subscription.attach(state)
    })
    const leave = () => void this.#unsubscribe(state, false).catch(() => {})
    await withSignal(standing, signal, 'subscribe', leave)
    if (signal !== undefined) {
      // Fired between the answer and this line.
      if (signal.aborted) leave()
      signal.addEventListener('abort', leave, { once: true })
      subscription.onEnd(() => signal.removeEventListener('abort', leave))
    }
    return subscription
  }

  #unsubscribe(state: SubscriptionState, forget: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#session.unsubscribe(state, forget, { resolve, reject }, Date.now())
    })
  }

  /** Resolves when there is room; undefined if there is. */
  #room(share: number): Promise<void> | undefined {
    const { producer } = this.#session
    if (producer.isRoomy(share)) return undefined
    return new Promise((resolve, reject) => producer.waitForRoom(share, { resolve, reject }))
  }

  #publish(topic: string, value: unknown, options: PublishOptions, waiter: Waiter<PublishAck>): void {
    this.#assertOpen()
    // One look at the clock for each message: it is a good part of what a message costs.
    const nowMs = Date.now()
    const request = this.#encoder.encode(topic, value, options, nowMs)
    if (this.#session.publish(request, waiter, nowMs)) this.#flushSoon()
  }

  /** Sends in a microtask what has accumulated until then. */
  #flushSoon(): void {
    if (this.#flushIsDue) return
    this.#flushIsDue = true
    queueMicrotask(() => {
      this.#flushIsDue = false
      // One that is closing waits for its acknowledgements.
      this.#flush(this.#closing !== undefined)
      if (this.#whenIdle !== null && this.#session.isIdle) this.#whenIdle()
    })
  }

  #flush(isAckTime: boolean): void {
    const isGathering = this.#session.flush(Date.now(), isAckTime)
    if (!isGathering || this.#gathering !== undefined) return
    this.#gathering = setTimeout(() => {
      this.#gathering = undefined
      this.#flush(true)
    }, ACKS_GATHER_MS)
  }

  #watchLag(): void {
    this.#session.watchLag(this.#listeners.lag.size > 0, Date.now())
  }

  #tick(): void {
    this.#session.handleTick(Date.now())
    this.#flushSoon()
  }

  #assertOpen(): void {
    if (this.#fatal !== null) throw this.#fatal
    if (this.#closing !== undefined) throw closedError()
  }

  #emit<E extends keyof ClientEvents>(event: E, info: Parameters<ClientEvents[E]>[0]): void {
    for (const listener of [...this.#listeners[event]]) {
      try {
        ;(listener as (info: Parameters<ClientEvents[E]>[0]) => void)(info)
      } catch (error) {
        // The listener's bug, not the client's: it surfaces as an uncaught exception and the connection lives on.
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }
}

function closedError(): GomqError {
  return new GomqError('CLOSED', 'the client is closed; connect again')
}
