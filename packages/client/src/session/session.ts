import {
  type ConnackPacket,
  DEFLATE_FEATURE,
  type Deflate,
  type ErrorCode,
  GomqError,
  type Packet,
  PacketType,
} from '@gomq/protocol'
import { Introduction, type IntroductionOptions } from './introduction.js'
import { KeepAlive } from './keep-alive.js'
import { LAG_INTERVAL_MS, PATIENCE_MS_DEFAULT } from './limits.js'
import { Producer } from './producer.js'
import type { PublishAck } from './publish-batch.js'
import type { PublishRequest } from './publish-request.js'
import type { SessionOutbox } from './session-events.js'
import type { SubscriptionListener, SubscriptionRequest, SubscriptionState } from './subscription-state.js'
import { Subscriptions } from './subscriptions.js'
import type { Waiter } from './waiter.js'

/** What a session is made of. */
export interface SessionOptions extends IntroductionOptions {
  readonly requestTimeoutMs: number
  /** Silence of the broker, while something waits for it, after which the connection is given up, ms; 15,000 by default. */
  readonly patienceMs?: number
  readonly bufferBytesMax: number
  /** Compresses what is published, where the broker grants it; missing: nothing is. Needs `inflate`. */
  readonly deflate?: Deflate | undefined
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
  /** What is published over this session. */
  readonly producer: Producer
  readonly #introduction: Introduction
  readonly #outbox: SessionOutbox
  readonly #keepAlive: KeepAlive
  readonly #subscriptions: Subscriptions
  #state: 'closed' | 'handshaking' | 'established' = 'closed'
  #isBlocked = false
  #lastRequestId = 0
  /** When lag is asked for next; undefined while nobody wants to know. */
  #lagDueMs: number | undefined
  #connack: ConnackPacket | undefined
  #nowMs = 0

  constructor(options: SessionOptions) {
    this.#introduction = new Introduction(options)
    this.#outbox = options.outbox
    this.#keepAlive = new KeepAlive(options.patienceMs ?? PATIENCE_MS_DEFAULT)
    const isEstablished = () => this.#state === 'established'
    this.#subscriptions = new Subscriptions({
      crc32: options.crc32,
      inflate: options.inflate,
      requestTimeoutMs: options.requestTimeoutMs,
      nextRequestId: this.#nextRequestId,
      send: (packet) => this.#send(packet),
      get isEstablished() {
        return isEstablished()
      },
    })
    this.producer = new Producer({
      random: options.random,
      crc32: options.crc32,
      deflate: options.deflate,
      inflate: options.inflate,
      bufferBytesMax: options.bufferBytesMax,
      nextRequestId: this.#nextRequestId,
      send: (packet) => this.#send(packet),
      isWritable: () => this.#state === 'established' && !this.#isBlocked,
    })
  }

  /** Whether a connection stands and its handshake is done. */
  get isEstablished(): boolean {
    return this.#state === 'established'
  }

  /** The broker's last answer to CONNECT. */
  get connack(): ConnackPacket | undefined {
    return this.#connack
  }

  /** Whether nothing waits for the broker: publishes, acknowledgements, requests. */
  get isIdle(): boolean {
    return this.producer.isIdle && this.#subscriptions.isIdle
  }

  /** A connection is open: introduces the client. */
  handleOpen(nowMs: number): void {
    this.#nowMs = nowMs
    this.#state = 'handshaking'
    this.#isBlocked = false
    this.#keepAlive.start(0, nowMs)
    this.#send(this.#introduction.packet(this.#nextRequestId(), nowMs))
  }

  /** The connection is gone. Nothing is lost that was not answered: it goes out again on the next one. */
  handleClosed(): void {
    this.#state = 'closed'
    this.#subscriptions.handleClosed()
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

  /** See {@link Subscriptions.subscribe}. */
  subscribe(
    request: SubscriptionRequest,
    listener: SubscriptionListener,
    waiter: Waiter<SubscriptionState>,
    nowMs: number,
  ): SubscriptionState {
    this.#nowMs = nowMs
    return this.#subscriptions.subscribe(request, listener, waiter, nowMs)
  }

  /** See {@link Subscriptions.unsubscribe}. */
  unsubscribe(subscription: SubscriptionState, forget: boolean, waiter: Waiter<void>, nowMs: number): void {
    this.#nowMs = nowMs
    this.#subscriptions.unsubscribe(subscription, forget, waiter, nowMs)
  }

  /**
   * Sends publishes, acknowledgements and credit that have accumulated.
   *
   * @param isAckTime  whether also acknowledgements go for which nobody waits; with false it should be called with true
   *   {@link ACKS_GATHER_MS} later
   * @returns whether some of these wait
   */
  flush(nowMs: number, isAckTime = true): boolean {
    this.#nowMs = nowMs
    if (this.#state !== 'established') return false
    this.producer.flush()
    return this.#subscriptions.flush(isAckTime)
  }

  /** Rejects what is past its deadline, asks for a sign of life, or gives the connection up. */
  handleTick(nowMs: number): void {
    this.#nowMs = nowMs
    this.producer.handleTick(nowMs)
    this.#subscriptions.handleTick(nowMs)
    if (this.#state !== 'established') return
    if (this.#lagDueMs !== undefined && nowMs >= this.#lagDueMs) {
      this.#lagDueMs = nowMs + LAG_INTERVAL_MS
      this.#subscriptions.askLag()
    }
    const due = this.#keepAlive.handleTick(nowMs, this.isIdle)
    if (due === 'ping') this.#send({ type: PacketType.PINGREQ, requestId: this.#nextRequestId() })
    if (due === 'dead') {
      const message = `nothing was heard from the broker for ${Math.round(this.#keepAlive.silenceMs(nowMs))} ms`
      this.#outbox.disconnect(new GomqError('KEEP_ALIVE_TIMEOUT', message))
    }
  }

  /** When {@link handleTick} should be called, undefined if nothing waits. */
  nextDeadlineMs(): number | undefined {
    const deadlines = [
      this.producer.nextDeadlineMs(),
      this.#subscriptions.nextDeadlineMs(),
      this.#state === 'established' ? this.#keepAlive.nextDeadlineMs() : undefined,
      this.#state === 'established' ? this.#lagDueMs : undefined,
    ].filter((deadline) => deadline !== undefined)
    return deadlines.length === 0 ? undefined : Math.min(...deadlines)
  }

  /** Whether the listeners of subscriptions are told of lag: each is asked for once a second. */
  watchLag(isWatched: boolean, nowMs: number): void {
    if (isWatched !== (this.#lagDueMs !== undefined)) this.#lagDueMs = isWatched ? nowMs : undefined
  }

  /** The subscriptions that have not ended. */
  subscriptions(): SubscriptionState[] {
    return this.#subscriptions.states()
  }

  /** The end: whatever waits fails with `error`; subscriptions end with `reason`, null for a normal end. */
  end(error: GomqError, reason: GomqError | null): void {
    if (this.#state === 'established') this.#send({ type: PacketType.DISCONNECT, code: null, message: '' })
    this.#outbox.disconnect(reason)
    this.#state = 'closed'
    this.producer.abandon(error)
    this.#subscriptions.endAll(error, reason)
  }

  #handleHandshake(packet: Packet): void {
    if (packet.type === PacketType.CONNACK) {
      this.#connack = packet
      this.#state = 'established'
      this.#introduction.handleEstablished()
      this.#keepAlive.start(packet.keepAliveSec, this.#nowMs)
      this.#subscriptions.handleConnected()
      this.producer.handleConnected(packet.inflightBatchesMax, packet.features.includes(DEFLATE_FEATURE))
      // Last: whoever is told may call the session.
      this.#outbox.connected(packet)
    } else if (packet.type === PacketType.ERROR || packet.type === PacketType.DISCONNECT) {
      const leader = packet.type === PacketType.DISCONNECT ? packet.leader : null
      this.#handleGoodbye(packet.code ?? 'UNAVAILABLE', packet.message, leader)
    } else throw unexpected(packet)
  }

  #handleEstablished(packet: Packet): void {
    switch (packet.type) {
      case PacketType.DELIVER:
        return this.#subscriptions.handleDeliver(packet)
      case PacketType.PUBACK:
        return this.producer.handlePuback(packet)
      case PacketType.ACKED:
        return this.#subscriptions.handleAcked(packet.requestId)
      case PacketType.SUBACK:
        return this.#subscriptions.handleSuback(packet)
      case PacketType.UNSUBACK:
        return this.#subscriptions.handleUnsuback(packet)
      case PacketType.TAIL:
        return this.#subscriptions.handleTail(packet)
      case PacketType.MISSED:
        return this.#subscriptions.handleMissed(packet)
      case PacketType.LAGRESP:
        return this.#subscriptions.handleLag(packet)
      case PacketType.PINGRESP:
        return
      case PacketType.PINGREQ:
        return this.#send({ type: PacketType.PINGRESP, requestId: packet.requestId })
      case PacketType.ERROR:
        if (!this.producer.handleRefused(packet, this.#nowMs)) this.#subscriptions.handleRefused(packet)
        return
      case PacketType.DISCONNECT:
        return this.#handleGoodbye(packet.code ?? 'CONNECTION_LOST', packet.message, packet.leader)
      default:
        throw unexpected(packet)
    }
  }

  #handleGoodbye(code: ErrorCode, message: string, leader: string | null | undefined): void {
    const error = new GomqError(code, message === '' ? 'the broker closed the connection' : message)
    this.#state = 'closed'
    if (FATAL_CODES.has(code)) this.#outbox.expelled(error)
    else this.#outbox.disconnect(error, leader ?? undefined)
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
