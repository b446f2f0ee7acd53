import {
  type AckPacket,
  type Crc32,
  DeliveredRecords,
  type DeliverPacket,
  type ErrorPacket,
  GomqError,
  type Inflate,
  type LagrespPacket,
  type MissedPacket,
  type Packet,
  PacketType,
  type SubackPacket,
  type TailPacket,
  type UnsubackPacket,
} from '@gomq/protocol'
import { type SubscriptionListener, type SubscriptionRequest, SubscriptionState } from './subscription-state.js'
import type { Waiter } from './waiter.js'

/** What the subscriptions need from their session. */
export interface SubscriptionsPort {
  readonly crc32: Crc32
  /** Missing: the broker sends nothing compressed. */
  readonly inflate: Inflate | undefined
  /** Milliseconds that opening and ending a subscription may take, reconnecting included. */
  readonly requestTimeoutMs: number
  readonly isEstablished: boolean
  nextRequestId(): number
  send(packet: Packet): void
}

/** A subscription that has not ended. */
interface Entry {
  readonly state: SubscriptionState
  /** Whether it stands on the present connection: before, the broker may not know what an ACK, CREDIT or UNSUBSCRIBE is about. */
  isStanding: boolean
  /** Until the first SUBACK. */
  opening: { readonly waiter: Waiter<SubscriptionState>; readonly deadlineMs: number } | null
  leaving: { readonly waiters: Waiter<void>[]; forget: boolean; readonly deadlineMs: number; isSent: boolean } | null
}

/** A packet of this connection that waits for its answer. */
interface Asked {
  readonly entry: Entry
  readonly what: 'subscribe' | 'unsubscribe' | 'ack' | 'lag'
}

/** Refusals that say nothing about the request: the next connection decides. */
const PASSING_CODES: ReadonlySet<string> = new Set(['SHUTTING_DOWN', 'NOT_LEADER', 'NO_LEADER'])

/** The subscriptions of a session: opens them on each connection, ends them, and routes what comes for them. */
export class Subscriptions {
  readonly #port: SubscriptionsPort
  readonly #entries = new Map<number, Entry>()
  readonly #asked = new Map<number, Asked>()
  readonly #dirty = new Set<SubscriptionState>()
  #lastId = 0

  constructor(port: SubscriptionsPort) {
    this.#port = port
  }

  /** Whether nothing waits for an answer of the broker, and nothing waits to be sent but credit. */
  get isIdle(): boolean {
    for (const { state, opening, leaving } of this.#entries.values())
      if (opening !== null || leaving !== null || !state.isAckIdle) return false
    return true
  }

  /** The subscriptions that have not ended. */
  states(): SubscriptionState[] {
    return [...this.#entries.values()].map((entry) => entry.state)
  }

  /** Opens a subscription; `waiter` is told when it stands, or why it does not. It outlives connections until it is ended. */
  subscribe(
    request: SubscriptionRequest,
    listener: SubscriptionListener,
    waiter: Waiter<SubscriptionState>,
    nowMs: number,
  ): SubscriptionState {
    const state = new SubscriptionState(++this.#lastId, request, listener, (each) => this.#dirty.add(each))
    const opening = { waiter, deadlineMs: nowMs + this.#port.requestTimeoutMs }
    const entry: Entry = { state, isStanding: false, opening, leaving: null }
    this.#entries.set(state.id, entry)
    if (this.#port.isEstablished) this.#sendSubscribe(entry)
    return state
  }

  /**
   * Ends a subscription once the broker has its acknowledgements; a durable one keeps its place unless `forget`. Nothing is handed out
   * any more from now on. Without a connection, and with nothing to tell the broker, it ends at once. Again: waits for the same end;
   * to forget one that has ended is refused.
   */
  unsubscribe(state: SubscriptionState, forget: boolean, waiter: Waiter<void>, nowMs: number): void {
    const entry = this.#entries.get(state.id)
    if (entry === undefined || (forget && entry.leaving?.isSent && !entry.leaving.forget)) {
      if (forget && state.request.name !== null) waiter.reject(endedError(state.request.name))
      else waiter.resolve()
      return
    }
    state.leave()
    if (entry.leaving === null) {
      const deadlineMs = nowMs + this.#port.requestTimeoutMs
      entry.leaving = { waiters: [waiter], forget, deadlineMs, isSent: false }
    } else {
      entry.leaving.waiters.push(waiter)
      entry.leaving.forget ||= forget
    }
    if (this.#port.isEstablished) {
      this.#sendAcks(entry)
      this.#sendUnsubscribe(entry)
    } else this.#endUnattached(entry)
  }

  /**
   * Sends acknowledgements and credit that have accumulated.
   *
   * @param isAckTime  whether also those acknowledgements go that may gather
   * @returns whether some of these wait
   */
  flush(isAckTime: boolean): boolean {
    if (this.#dirty.size === 0) return false
    const dirty = [...this.#dirty]
    this.#dirty.clear()
    for (const state of dirty) {
      const entry = this.#entries.get(state.id)
      if (entry === undefined) continue
      if (isAckTime || !state.isGathering) this.#sendAcks(entry)
      else this.#dirty.add(state)
      this.#sendCredit(entry)
    }
    return this.#dirty.size > 0
  }

  /** A connection stands: opens everything again. */
  handleConnected(): void {
    for (const entry of this.#entries.values()) this.#sendSubscribe(entry)
  }

  /** The connection is gone, and with it what the broker was asked. */
  handleClosed(): void {
    this.#asked.clear()
    for (const entry of [...this.#entries.values()]) {
      entry.isStanding = false
      if (entry.leaving === null) continue
      entry.leaving.isSent = false
      this.#endUnattached(entry)
    }
  }

  /** A subscription stands: repeats what was not answered, and sends what has gathered meanwhile. */
  handleSuback(packet: SubackPacket): void {
    this.#asked.delete(packet.requestId)
    const entry = this.#entries.get(packet.subscriptionId)
    if (entry === undefined) {
      // Given up here before the broker had opened it.
      const requestId = this.#port.nextRequestId()
      this.#port.send({
        type: PacketType.UNSUBSCRIBE,
        requestId,
        subscriptionId: packet.subscriptionId,
        forget: false,
      })
      return
    }
    entry.state.handleSuback(packet)
    entry.isStanding = true
    this.#send(entry, entry.state.repeatAcks(this.#port.nextRequestId))
    this.#sendAcks(entry)
    this.#sendCredit(entry)
    this.#sendUnsubscribe(entry)
    // One that is about to end fails those who wait for it, with its end.
    if (entry.leaving !== null) return
    const { opening } = entry
    entry.opening = null
    opening?.waiter.resolve(entry.state)
  }

  handleUnsuback(packet: UnsubackPacket): void {
    const asked = this.#take(packet.requestId)
    if (asked !== undefined) this.#end(asked.entry, null)
  }

  /** @throws GomqError MALFORMED_BATCH, UNSUPPORTED_FEATURE */
  handleDeliver(packet: DeliverPacket): void {
    const entry = this.#entries.get(packet.subscriptionId)
    // Ended here while the broker was still sending.
    if (entry === undefined) return
    const { header, ranges, payload } = packet
    const { crc32, inflate } = this.#port
    const records =
      header === null
        ? DeliveredRecords.ofBatch(payload, crc32, { ranges, inflate })
        : DeliveredRecords.ofPart(header, ranges ?? [], payload)
    entry.state.handleDeliver(records)
  }

  handleTail(packet: TailPacket): void {
    this.#entries.get(packet.subscriptionId)?.state.handleTail(packet.offset)
  }

  handleMissed(packet: MissedPacket): void {
    this.#entries.get(packet.subscriptionId)?.state.handleMissed(packet.from, packet.to)
  }

  /** Asks the broker how far each subscription is behind, once per connection until it has answered. */
  askLag(): void {
    if (!this.#port.isEstablished) return
    const waiting = new Set<Entry>()
    for (const { entry, what } of this.#asked.values()) if (what === 'lag') waiting.add(entry)
    for (const entry of this.#entries.values()) {
      if (entry.opening !== null || entry.leaving !== null || waiting.has(entry)) continue
      const requestId = this.#port.nextRequestId()
      this.#asked.set(requestId, { entry, what: 'lag' })
      this.#port.send({ type: PacketType.LAGREQ, requestId, subscriptionId: entry.state.id })
    }
  }

  /** The answer to {@link askLag}. Unknown ids are ignored. */
  handleLag(packet: LagrespPacket): void {
    this.#take(packet.requestId)?.entry.state.handleLag(packet.position, packet.highWatermark)
  }

  /** The answer to acknowledgements. Unknown ids are ignored. */
  handleAcked(requestId: number): void {
    const asked = this.#take(requestId)
    if (asked === undefined) return
    asked.entry.state.handleAckAnswer(requestId, null)
    this.#afterAcks(asked.entry)
  }

  /** A request was refused. Unknown ids are ignored. */
  handleRefused(packet: ErrorPacket): void {
    const asked = this.#take(packet.requestId)
    if (asked === undefined || PASSING_CODES.has(packet.code)) return
    const { entry, what } = asked
    const error = new GomqError(packet.code, packet.message)
    if (what === 'subscribe') this.#end(entry, error)
    else if (what === 'unsubscribe') this.#end(entry, null, packet.code === 'NO_SUCH_SUBSCRIPTION' ? null : error)
    else if (what === 'ack') {
      entry.state.handleAckAnswer(packet.requestId, error)
      this.#afterAcks(entry)
    }
  }

  handleTick(nowMs: number): void {
    for (const entry of [...this.#entries.values()]) {
      const { state, opening, leaving } = entry
      if (leaving !== null && nowMs >= leaving.deadlineMs) this.#end(entry, null, this.#timeoutError('unsubscribe'))
      else if (opening !== null && leaving === null && nowMs >= opening.deadlineMs) {
        this.#end(entry, this.#timeoutError('subscribe'))
        // Where the broker has it already, or will.
        if (this.#port.isEstablished) this.#sendFarewell(state)
      }
    }
  }

  /** The earliest deadline, undefined if nothing waits. */
  nextDeadlineMs(): number | undefined {
    let earliest: number | undefined
    for (const { opening, leaving } of this.#entries.values()) {
      const deadlineMs = leaving?.deadlineMs ?? opening?.deadlineMs
      if (deadlineMs !== undefined && (earliest === undefined || deadlineMs < earliest)) earliest = deadlineMs
    }
    return earliest
  }

  /** Ends all: iterations with `reason`, null for a normal end; whatever waits fails with `error`. */
  endAll(error: GomqError, reason: GomqError | null): void {
    this.#asked.clear()
    for (const entry of [...this.#entries.values()]) this.#end(entry, reason, reason ?? error, error)
  }

  #sendSubscribe(entry: Entry): void {
    const requestId = this.#port.nextRequestId()
    this.#asked.set(requestId, { entry, what: 'subscribe' })
    this.#port.send(entry.state.subscribePacket(requestId))
  }

  /** Sends UNSUBSCRIBE for a subscription that is to end, once the broker has its acknowledgements. */
  #sendUnsubscribe(entry: Entry): void {
    const { state, leaving } = entry
    if (!entry.isStanding || leaving === null || leaving.isSent || !state.isAckIdle) return
    leaving.isSent = true
    const requestId = this.#port.nextRequestId()
    this.#asked.set(requestId, { entry, what: 'unsubscribe' })
    this.#port.send({ type: PacketType.UNSUBSCRIBE, requestId, subscriptionId: state.id, forget: leaving.forget })
  }

  #sendFarewell(state: SubscriptionState): void {
    const requestId = this.#port.nextRequestId()
    this.#port.send({ type: PacketType.UNSUBSCRIBE, requestId, subscriptionId: state.id, forget: false })
  }

  #sendCredit(entry: Entry): void {
    if (!entry.isStanding) return
    const credit = entry.state.takeCredit()
    if (credit !== undefined) this.#port.send(credit)
  }

  #sendAcks(entry: Entry): void {
    if (entry.isStanding) this.#send(entry, entry.state.takeAcks(this.#port.nextRequestId))
  }

  #send(entry: Entry, acks: readonly AckPacket[]): void {
    for (const packet of acks) {
      if (packet.requestId !== 0) this.#asked.set(packet.requestId, { entry, what: 'ack' })
      this.#port.send(packet)
    }
  }

  /** What has gathered behind acknowledgements goes on: the next ones, then the end. */
  #afterAcks(entry: Entry): void {
    if (entry.leaving === null || !this.#port.isEstablished) return
    this.#sendAcks(entry)
    this.#sendUnsubscribe(entry)
  }

  /** Without a connection the broker has ended it already: there is nothing to say but acknowledgements and `forget`. */
  #endUnattached(entry: Entry): void {
    if (entry.leaving !== null && !entry.leaving.forget && entry.state.isAckIdle) this.#end(entry, null)
  }

  /**
   * @param error    ends the iteration and fails those who wait for the subscription to open
   * @param outcome  for those who wait for its end
   * @param unacked  for acknowledgements that are not answered
   */
  #end(
    entry: Entry,
    error: GomqError | null,
    outcome: GomqError | null = error,
    unacked = error ?? closedError(),
  ): void {
    const { state, opening, leaving } = entry
    this.#entries.delete(state.id)
    this.#dirty.delete(state)
    for (const [requestId, asked] of this.#asked) if (asked.entry === entry) this.#asked.delete(requestId)
    entry.opening = null
    entry.leaving = null
    state.finish(error, unacked)
    opening?.waiter.reject(error ?? outcome ?? closedError())
    for (const waiter of leaving?.waiters ?? []) {
      if (outcome === null) waiter.resolve()
      else waiter.reject(outcome)
    }
  }

  #take(requestId: number): Asked | undefined {
    const asked = this.#asked.get(requestId)
    this.#asked.delete(requestId)
    return asked
  }

  #timeoutError(what: string): GomqError {
    return new GomqError('TIMEOUT', `the broker did not answer the ${what} within ${this.#port.requestTimeoutMs} ms`)
  }
}

function closedError(): GomqError {
  return new GomqError('CLOSED', 'the subscription was closed before the broker had answered')
}

function endedError(name: string): GomqError {
  const what = `the subscription '${name}' has ended here, so the broker cannot be told to forget it`
  return new GomqError('CLOSED', `${what}; subscribe under its name again and unsubscribe with forget`)
}
