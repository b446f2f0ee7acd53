import {
  type ConnackPacket,
  type Crc32,
  DeliveredRecords,
  type DeliverPacket,
  type ErrorCode,
  type ErrorPacket,
  GomqError,
  type Packet,
  PacketType,
  PROTOCOL_VERSION,
  type Random,
} from '@gomq/protocol'
import { KeepAlive } from './keep-alive.js'
import { SESSION_EXPIRY_SEC_DEFAULT } from './limits.js'
import { Producer, type PublishRequest } from './producer.js'
import type { PublishAck } from './publish-batch.js'
import { Requests } from './requests.js'
import type { SessionOutbox } from './session-events.js'
import { type SubscriptionListener, type SubscriptionRequest, SubscriptionState } from './subscription-state.js'
import type { Waiter } from './waiter.js'

/** What a session is made of. */
export interface SessionOptions {
  /** Null: the broker makes one up. */
  readonly clientId: string | null
  readonly keepAliveSec: number
  readonly agent: string
  readonly requestTimeoutMs: number
  readonly bufferBytesMax: number
  readonly random: Random
  readonly crc32: Crc32
  readonly outbox: SessionOutbox
}

/** Reasons of the broker after which connecting again would do harm or no good. */
const FATAL_CODES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'SESSION_TAKEN_OVER',
  'AUTH_FAILED',
  'NOT_AUTHORIZED',
  'UNSUPPORTED_VERSION',
])

/**
 * The client's side of the protocol, over as many connections as it takes. Pure: time comes in as `nowMs`, packets leave through
 * the outbox. The driver calls {@link flush} soon (in a microtask, say) after each call that may have left something to send.
 */
export class ClientSession {
  readonly producer: Producer
  readonly #options: SessionOptions
  readonly #outbox: SessionOutbox
  readonly #keepAlive = new KeepAlive()
  readonly #requests: Requests
  readonly #subscriptions = new Map<number, SubscriptionState>()
  #state: 'closed' | 'handshaking' | 'established' = 'closed'
  #isBlocked = false
  #lastRequestId = 0
  #lastSubscriptionId = 0
  #connectRequestId = 0
  #connack: ConnackPacket | undefined
  #nowMs = 0

  constructor(options: SessionOptions) {
    this.#options = options
    this.#outbox = options.outbox
    this.#requests = new Requests(options.requestTimeoutMs)
    this.producer = new Producer({
      random: options.random,
      crc32: options.crc32,
      bufferBytesMax: options.bufferBytesMax,
      nextRequestId: this.#nextRequestId,
      send: (packet) => this.#send(packet),
      isWritable: () => this.#state === 'established' && !this.#isBlocked,
    })
  }

  get isEstablished(): boolean {
    return this.#state === 'established'
  }

  /** The broker's last answer to CONNECT. */
  get connack(): ConnackPacket | undefined {
    return this.#connack
  }

  /** Whether nothing waits for the broker: publishes, acknowledgements, requests. */
  get isIdle(): boolean {
    if (!this.producer.isIdle || !this.#requests.isEmpty) return false
    for (const subscription of this.#subscriptions.values()) if (!subscription.isAckIdle) return false
    return true
  }

  /** A connection is open: introduces the client. */
  handleOpen(nowMs: number): void {
    this.#nowMs = nowMs
    this.#state = 'handshaking'
    this.#isBlocked = false
    this.#keepAlive.start(0, nowMs)
    this.#connectRequestId = this.#nextRequestId()
    this.#send({
      type: PacketType.CONNECT,
      requestId: this.#connectRequestId,
      versionMin: PROTOCOL_VERSION,
      versionMax: PROTOCOL_VERSION,
      features: [],
      clientId: this.#options.clientId,
      namespace: null,
      authMethod: null,
      authData: null,
      keepAliveSec: this.#options.keepAliveSec,
      agent: this.#options.agent,
      cleanSession: false,
      sessionExpirySec: this.#options.clientId === null ? 0 : SESSION_EXPIRY_SEC_DEFAULT,
      will: null,
      willDelaySec: 0,
    })
  }

  /** The connection is gone. Nothing is lost that was not answered: it goes out again on the next one. */
  handleClosed(): void {
    this.#state = 'closed'
    this.#requests.handleClosed()
  }

  /** The connection takes no more for now (`true`), or again. */
  handleBlocked(isBlocked: boolean): void {
    this.#isBlocked = isBlocked
  }

  /** @throws GomqError  the packet breaks the contract; the driver closes the connection */
  handlePacket(packet: Packet, nowMs: number): void {
    this.#nowMs = nowMs
    this.#keepAlive.heard(nowMs)
    if (this.#state === 'handshaking') this.#handleHandshake(packet)
    else if (this.#state === 'established') this.#handleEstablished(packet)
  }

  /** See {@link Producer.publish}. */
  publish(request: PublishRequest, waiter: Waiter<PublishAck>, nowMs: number): boolean {
    this.#nowMs = nowMs
    return this.producer.publish(request, waiter, nowMs)
  }

  /** Opens a subscription; `waiter` is told when it stands. It outlives connections until it is ended. */
  subscribe(
    request: SubscriptionRequest,
    listener: SubscriptionListener,
    waiter: Waiter<SubscriptionState>,
    nowMs: number,
  ): SubscriptionState {
    this.#nowMs = nowMs
    const subscription = new SubscriptionState(++this.#lastSubscriptionId, request, listener)
    this.#subscriptions.set(subscription.id, subscription)
    this.#requests.add({
      kind: 'subscribe',
      subscription,
      deadlineMs: this.#requests.deadlineMs(nowMs),
      resolve: () => waiter.resolve(subscription),
      reject: (error) => {
        this.endSubscription(subscription, error)
        waiter.reject(error)
      },
    })
    if (this.#state === 'established') this.#sendSubscribe(subscription)
    return subscription
  }

  /** Ends a subscription; a durable one keeps its place at the broker unless `forget`. `waiter` is told when that is done. */
  unsubscribe(subscription: SubscriptionState, forget: boolean, waiter: Waiter<void>, nowMs: number): void {
    this.#nowMs = nowMs
    this.#flushAcks(subscription)
    const isKnown = this.#subscriptions.has(subscription.id)
    if (!isKnown || (this.#state !== 'established' && !forget)) {
      this.endSubscription(subscription, null)
      waiter.resolve()
      return
    }
    const finish = () => this.endSubscription(subscription, null)
    this.#requests.add({
      kind: 'unsubscribe',
      subscription,
      forget,
      deadlineMs: this.#requests.deadlineMs(nowMs),
      resolve: () => {
        finish()
        waiter.resolve()
      },
      reject: (error) => {
        finish()
        waiter.reject(error)
      },
    })
    if (this.#state === 'established') this.#sendUnsubscribe(subscription, forget)
  }

  /** Ends a subscription here, without a word to the broker. Again: nothing. */
  endSubscription(subscription: SubscriptionState, error: GomqError | null): void {
    this.#subscriptions.delete(subscription.id)
    const unacked =
      error ?? new GomqError('CLOSED', 'the subscription was closed before the broker had the acknowledgement')
    subscription.finish(error, unacked)
  }

  /** Sends publishes, acknowledgements and credit that have accumulated. */
  flush(nowMs: number): void {
    this.#nowMs = nowMs
    if (this.#state !== 'established') return
    this.producer.flush()
    for (const subscription of this.#subscriptions.values()) {
      this.#flushAcks(subscription)
      const credit = subscription.takeCredit()
      if (credit !== undefined) this.#send(credit)
    }
  }

  /** Sends acknowledgements that have accumulated for one subscription. */
  #flushAcks(subscription: SubscriptionState): void {
    if (this.#state !== 'established') return
    for (const packet of subscription.takeAcks(this.#nextRequestId)) this.#send(packet)
  }

  handleTick(nowMs: number): void {
    this.#nowMs = nowMs
    this.producer.handleTick(nowMs)
    this.#requests.handleTick(nowMs)
    if (this.#state !== 'established') return
    const due = this.#keepAlive.handleTick(nowMs)
    if (due === 'ping') this.#send({ type: PacketType.PINGREQ, requestId: this.#nextRequestId() })
    if (due === 'dead') {
      const message = `nothing was heard from the broker for ${this.#keepAlive.silenceMsMax} ms`
      this.#outbox.disconnect(new GomqError('KEEP_ALIVE_TIMEOUT', message))
    }
  }

  /** When {@link handleTick} should be called, undefined if nothing waits. */
  nextDeadlineMs(): number | undefined {
    const deadlines = [
      this.producer.nextDeadlineMs(),
      this.#requests.nextDeadlineMs(),
      this.#state === 'established' ? this.#keepAlive.nextDeadlineMs() : undefined,
    ].filter((deadline) => deadline !== undefined)
    return deadlines.length === 0 ? undefined : Math.min(...deadlines)
  }

  /** The subscriptions that have not ended. */
  subscriptions(): SubscriptionState[] {
    return [...this.#subscriptions.values()]
  }

  /** The end: whatever waits fails with `error`; subscriptions end with `reason`, null for a normal end. */
  end(error: GomqError, reason: GomqError | null): void {
    if (this.#state === 'established') this.#send({ type: PacketType.DISCONNECT, code: null, message: '' })
    this.#outbox.disconnect(reason)
    this.#state = 'closed'
    this.producer.abandon(error)
    this.#requests.rejectAll(error)
    for (const subscription of this.subscriptions()) {
      this.#subscriptions.delete(subscription.id)
      subscription.finish(reason, error)
    }
  }

  #handleHandshake(packet: Packet): void {
    if (packet.type === PacketType.CONNACK) {
      this.#connack = packet
      this.#state = 'established'
      this.#keepAlive.start(packet.keepAliveSec, this.#nowMs)
      this.#outbox.connected(packet)
      for (const subscription of this.#subscriptions.values()) {
        this.#sendSubscribe(subscription)
        for (const ack of subscription.repeatAcks(this.#nextRequestId)) this.#send(ack)
        const leaving = this.#requests.unsubscribeOf(subscription)
        if (leaving !== undefined) this.#sendUnsubscribe(subscription, leaving.forget ?? false)
      }
      this.producer.handleConnected(packet.inflightBatchesMax)
    } else if (packet.type === PacketType.ERROR || packet.type === PacketType.DISCONNECT) {
      this.#handleGoodbye(packet.code ?? 'UNAVAILABLE', packet.message)
    } else throw unexpected(packet)
  }

  #handleEstablished(packet: Packet): void {
    switch (packet.type) {
      case PacketType.DELIVER:
        return this.#handleDeliver(packet)
      case PacketType.PUBACK:
        return this.producer.handlePuback(packet)
      case PacketType.ACKED:
        return this.#handleAckAnswer(packet.requestId, null)
      case PacketType.SUBACK:
        this.#subscriptions.get(packet.subscriptionId)?.handleSuback(packet)
        return this.#requests.resolve(packet.requestId)
      case PacketType.UNSUBACK:
        return this.#requests.resolve(packet.requestId)
      case PacketType.TAIL:
        return this.#subscriptions.get(packet.subscriptionId)?.handleTail(packet.offset)
      case PacketType.PINGRESP:
        return
      case PacketType.PINGREQ:
        return this.#send({ type: PacketType.PINGRESP, requestId: packet.requestId })
      case PacketType.ERROR:
        return this.#handleError(packet)
      case PacketType.DISCONNECT:
        return this.#handleGoodbye(packet.code ?? 'CONNECTION_LOST', packet.message)
      default:
        throw unexpected(packet)
    }
  }

  #handleDeliver(packet: DeliverPacket): void {
    const subscription = this.#subscriptions.get(packet.subscriptionId)
    // Ended here while the broker was still sending.
    if (subscription === undefined) return
    const records =
      packet.header === null
        ? DeliveredRecords.ofBatch(packet.payload, this.#options.crc32)
        : DeliveredRecords.ofPart(packet.header, packet.ranges ?? [], packet.payload)
    subscription.handleDeliver(records)
  }

  #handleError(packet: ErrorPacket): void {
    if (this.producer.handleRefused(packet)) return
    const error = new GomqError(packet.code, packet.message)
    if (this.#requests.reject(packet.requestId, error)) return
    const resubscribed = this.#requests.resubscriptionOf(packet.requestId)
    // A broker that is stopping refuses everything; the next connection decides.
    if (resubscribed !== undefined && packet.code !== 'SHUTTING_DOWN') this.endSubscription(resubscribed, error)
    else this.#handleAckAnswer(packet.requestId, error)
  }

  #handleAckAnswer(requestId: number, error: GomqError | null): void {
    for (const subscription of this.#subscriptions.values()) if (subscription.handleAckAnswer(requestId, error)) return
  }

  #handleGoodbye(code: ErrorCode, message: string): void {
    const error = new GomqError(code, message === '' ? 'the broker closed the connection' : message)
    this.#state = 'closed'
    if (FATAL_CODES.has(code)) this.#outbox.expelled(error)
    else this.#outbox.disconnect(error)
  }

  #sendSubscribe(subscription: SubscriptionState): void {
    const requestId = this.#nextRequestId()
    this.#requests.handleSubscribeSent(subscription, requestId)
    this.#send(subscription.subscribePacket(requestId))
  }

  #sendUnsubscribe(subscription: SubscriptionState, forget: boolean): void {
    const requestId = this.#nextRequestId()
    this.#requests.handleUnsubscribeSent(subscription, requestId)
    this.#send({ type: PacketType.UNSUBSCRIBE, requestId, subscriptionId: subscription.id, forget })
  }

  #send(packet: Packet): void {
    this.#keepAlive.sent(this.#nowMs)
    this.#outbox.send(packet)
  }

  readonly #nextRequestId = (): number => {
    this.#lastRequestId = this.#lastRequestId >= 0xffff_ffff ? 1 : this.#lastRequestId + 1
    return this.#lastRequestId
  }
}

function unexpected(packet: Packet): GomqError {
  return new GomqError('PROTOCOL_ERROR', `the broker sent packet type ${packet.type}, which is not allowed here`)
}
