import {
  baseOffsetOf,
  type CreditPacket,
  type ErrorCode,
  GomqError,
  isControl,
  nextOffsetOf,
  type Offset,
  type Packet,
  PacketType,
  type RetentionPolicy,
} from '@gomq/protocol'
import { allowAll } from './authorizer.js'
import { CommitQueue } from './commit-queue.js'
import { CommittedState } from './committed-state.js'
import type { Connection } from './connection.js'
import { Connections } from './connections.js'
import { Cursors } from './cursors.js'
import { Delivery } from './delivery.js'
import type { EngineContext } from './engine-context.js'
import type { EngineOptions } from './engine-options.js'
import { CLIENTS_LOST_GRACE_MS, PRODUCER_SWEEP_MS, PRODUCERS_FORGOTTEN_AT_ONCE } from './limits.js'
import { Listing } from './listing.js'
import type { EngineReadResult } from './outbox.js'
import { Publishing } from './publishing.js'
import { ReadableBatches } from './readable-batches.js'
import { Retention, type WantedFloor } from './retention.js'
import { type RetentionRules, retainedOffsetsOf, retentionRulesOf } from './retention-rules.js'
import { SessionKeeper } from './session-keeper.js'
import { Subscribing } from './subscribing.js'

const NOT_LEADER = 'another broker leads now; connect to it'

/** How a connection ended. `stopped`: with the broker, which to its session is as good as a crash. */
type ConnectionEnd = 'left' | 'lost' | 'stopped'

/**
 * The broker without IO. Inputs are `handle*`; what is to be done comes out through the {@link Outbox}, in order; time is an argument
 * that never goes back; when time alone has something to do, {@link nextDeadlineMs} says. Synchronous, and never entered twice.
 *
 * Life: `restoreEntry` for each entry of a snapshot, `replay` for each batch behind it, or a state that was folded so already; `start`, then inputs.
 */
export class Engine {
  /** What is kept and who is there, for people to look at. */
  readonly listing: Listing
  readonly #context: EngineContext
  readonly #publishing: Publishing
  readonly #sessions: SessionKeeper
  readonly #cursors: Cursors
  readonly #subscribing: Subscribing
  readonly #retention: Retention
  #role: 'starting' | 'leading' | 'deposed' = 'starting'
  #nextSweepMs = 0

  constructor(options: EngineOptions) {
    const { outbox, crc32, inflate, epoch, logStartOffset, logEndOffset, lastAppendTimeMs } = options
    const connections = new Connections()
    const state = options.state ?? new CommittedState()
    this.#context = {
      options,
      authorizer: options.authorizer ?? allowAll,
      state,
      queue: new CommitQueue({ outbox, crc32, epoch, logEndOffset, lastAppendTimeMs }),
      connections,
      delivery: new Delivery({
        outbox,
        state,
        logStartOffset,
        highWatermark: logEndOffset,
        readable: inflate && new ReadableBatches(inflate, crc32),
      }),
      send: (connectionId, packet) => {
        if (connections.get(connectionId) !== undefined) outbox.send(connectionId, packet)
      },
      disconnect: (connection, code, message, nowMs) => this.#disconnect(connection, code, message, 'lost', nowMs),
    }
    this.listing = new Listing(this.#context)
    this.#publishing = new Publishing(this.#context)
    this.#sessions = new SessionKeeper(this.#context, this.#publishing)
    this.#cursors = new Cursors(this.#context)
    this.#subscribing = new Subscribing(this.#context, this.#sessions, this.#cursors)
    this.#retention = new Retention(this.#context, this.#cursors)
  }

  /** Counts of the moment, for people and metrics. */
  get stats(): Readonly<Record<string, number>> {
    const { connections, state } = this.#context
    return {
      connections: connections.count,
      subscriptions: connections.subscriptionCount,
      ...state.stats,
      droppedMessages: this.#publishing.dropped,
      refusedForRoom: this.#publishing.refusedForRoom,
    }
  }

  /** Whether clients are let in: the first record of the reign has committed. */
  get isLeading(): boolean {
    return this.#role === 'leading'
  }

  /** Everything below is in the state and, once it {@link isLeading}, has committed. */
  get highWatermark(): Offset {
    return this.#context.delivery.highWatermark
  }

  /** Takes back one of {@link snapshotEntries}. Only before {@link start}. @returns how many state entries it holds @throws GomqError UNSUPPORTED_FORMAT */
  restoreEntry(bytes: Uint8Array): number {
    return this.#context.state.restore(bytes)
  }

  /** The committed state, for a snapshot; a live walk, which may go on while inputs come. */
  snapshotEntries(): Generator<Uint8Array> {
    const { state, delivery } = this.#context
    return state.entries(delivery.highWatermark)
  }

  /** A committed batch from the log, in order. Only before {@link start}. */
  replay(batch: Uint8Array): void {
    this.#context.state.replay(batch)
  }

  /** Begins the reign: clients are let in once its first record has committed. */
  start(nowMs: number): void {
    const { options, queue } = this.#context
    const { epoch, brokerId } = options
    queue.appendControl([{ kind: 'epochStart', epoch, brokerId }], nowMs, () => {
      this.#role = 'leading'
    })
    this.#sessions.start(nowMs)
    // Not before the wills of the last reign are settled: that they were published is known by their producers.
    this.#nextSweepMs = nowMs + 2 * CLIENTS_LOST_GRACE_MS
  }

  /**
   * Publishes that would be stored are refused with `noRoom` from now on; undefined: no longer. What is stored already is acknowledged again all
   * the same; acknowledgements, sessions, wills and messages of QoS 0 go on.
   */
  handleRoom(noRoom: GomqError | undefined): void {
    this.#publishing.handleRoom(noRoom)
  }

  /** A connection stands; its first packet is to be CONNECT. @param peer.isDoor  whether it is one of the broker's own, for many */
  handleOpen(connectionId: number, peer: { readonly remote: string; readonly isDoor?: boolean }, nowMs: number): void {
    this.#context.connections.open(connectionId, peer.remote, nowMs, peer.isDoor)
  }

  /** A packet came. What it breaks, it breaks for its own connection only. */
  handlePacket(connectionId: number, packet: Packet, nowMs: number): void {
    const connection = this.#context.connections.get(connectionId)
    if (connection === undefined) return
    this.#context.delivery.nowMs = nowMs
    connection.lastHeardMs = nowMs
    try {
      if (connection.state === 'established') this.#dispatch(connection, packet, nowMs)
      else this.#connect(connection, packet, nowMs)
    } catch (error) {
      if (!(error instanceof GomqError)) throw error
      this.#refuse(connection, packet, error, nowMs)
    }
  }

  /** The connection is gone. */
  handleClosed(connectionId: number, nowMs: number): void {
    const connection = this.#context.connections.get(connectionId)
    if (connection !== undefined) this.#forget(connection, 'lost', nowMs)
  }

  /** The connection takes no more for now: its subscriptions fall back to their cursors. */
  handleBlocked(connectionId: number): void {
    const connection = this.#context.connections.get(connectionId)
    if (connection !== undefined) connection.isBlocked = true
  }

  /** The connection takes more again. */
  handleWritable(connectionId: number, nowMs: number): void {
    const { connections, delivery } = this.#context
    const connection = connections.get(connectionId)
    if (connection === undefined) return
    connection.isBlocked = false
    delivery.nowMs = nowMs
    for (const subscription of connection.subscriptions.values()) delivery.pump(subscription)
  }

  /** A publisher was held for as long as it may be. */
  handleHoldOver(connectionId: number, nowMs: number): void {
    this.#context.delivery.holds.handleOver(connectionId, nowMs)
  }

  /** Everything below `highWatermark` has committed: it is applied, delivered and acknowledged, in the order of the log. */
  handleCommitted(highWatermark: Offset, nowMs: number): void {
    const { queue, state, delivery } = this.#context
    delivery.nowMs = nowMs
    for (;;) {
      const pending = queue.takeCommitted(highWatermark)
      if (pending === undefined) break
      const { batch, topic } = pending
      state.apply(batch)
      if (isControl(batch)) delivery.handleSkipped(nextOffsetOf(batch))
      else {
        delivery.handleCommitted(batch, topic)
        this.#publishing.acknowledge(pending.connectionId, pending.requestId, baseOffsetOf(batch))
      }
      pending.onCommitted?.()
    }
    queue.runWaiters(highWatermark)
    this.#cursors.flush(nowMs)
  }

  /**
   * This broker does not lead any more, and its log was cut at `toOffset`, at or above the high watermark: what was appended from there on never
   * was, and nobody was promised it. Every client is sent away; nothing is appended any more.
   */
  handleTruncated(toOffset: Offset, nowMs: number): void {
    const { connections, queue, state } = this.#context
    this.#role = 'deposed'
    queue.truncate(toOffset)
    state.producers.truncate(toOffset)
    this.#cursors.clear()
    for (const connection of [...connections.values()])
      this.#disconnect(connection, 'NOT_LEADER', NOT_LEADER, 'stopped', nowMs)
  }

  /** The answer to a read of the outbox's. One that nobody waits for any more is ignored. */
  handleRead(token: number, result: EngineReadResult, nowMs: number): void {
    const { connections, delivery } = this.#context
    delivery.nowMs = nowMs
    const failed = delivery.handleRead(token, result)
    this.#cursors.flushIfIdle(nowMs)
    if (failed === undefined) return
    const connection = connections.get(failed.subscription.connection.id)
    const error = GomqError.from(failed.error)
    if (connection !== undefined) this.#disconnect(connection, error.code, error.message, 'lost', nowMs)
  }

  /** The answer to a search by time of the outbox's. */
  handleOffset(token: number, result: { readonly offset: Offset } | { readonly error: unknown }, nowMs: number): void {
    this.#context.delivery.nowMs = nowMs
    this.#subscribing.handleOffset(token, result, nowMs)
  }

  /** Those who waited had their turn: what the outbox's `wake` asked for goes on. */
  handleWake(nowMs: number): void {
    this.#context.delivery.nowMs = nowMs
    this.#context.delivery.searches.handleWake(nowMs)
  }

  /** The log begins at `offset` now; nothing below is read any more. Lower ones change nothing. */
  handleLogStart(offset: Offset): void {
    this.#context.delivery.handleLogStart(offset)
  }

  /** The committed policies with what is dead by them: what a survey and, with the offsets of what is retained, the cleaner go by. */
  retentionRules(): RetentionRules {
    return retentionRulesOf(this.#context.state)
  }

  /** What is retained; a live walk, see {@link retainedOffsetsOf}. */
  retainedOffsets(): { readonly count: number; readonly offsets: Iterable<Offset> } {
    return retainedOffsetsOf(this.#context.state)
  }

  /**
   * A survey asks for floors; the engine adds those of the policies that remove what is acknowledged. What is higher than before becomes dead in
   * one control record, and so on every broker alike.
   * @param version  of the {@link retentionRules} that were surveyed; if policies have changed since, nothing rises
   * @returns the offset that has to commit before the rules are higher; undefined: nothing rose
   */
  handleSurvey(floors: readonly WantedFloor[], version: number, nowMs: number): Offset | undefined {
    return this.#role === 'leading' ? this.#retention.handleSurvey(floors, version, nowMs) : undefined
  }

  /**
   * Keeps a policy, in place of one with the same filter, whose floor stays.
   * @param onCommitted  called when it holds; not if this broker stops leading before
   * @throws GomqError INVALID_FILTER, INVALID_ARGUMENT, LIMIT_EXCEEDED, NOT_LEADER, NO_LEADER
   */
  putPolicy(policy: RetentionPolicy, nowMs: number, onCommitted?: () => void): void {
    this.#checkLeading()
    this.#retention.put(policy, nowMs, onCommitted)
  }

  /**
   * Removes a policy and its floor: what is not cleaned yet may be seen again.
   * @param onCommitted  called when it is gone; not if this broker stops leading before
   * @throws GomqError NO_SUCH_POLICY, NOT_LEADER, NO_LEADER
   */
  removePolicy(filter: string, nowMs: number, onCommitted?: () => void): void {
    this.#checkLeading()
    this.#retention.remove(filter, nowMs, onCommitted)
  }

  /** Time has passed: keep-alives, wills, expiries. */
  handleTick(nowMs: number): void {
    const { connections, queue, state, delivery } = this.#context
    delivery.nowMs = nowMs
    for (;;) {
      const connection = connections.takeSilent(nowMs)
      if (connection === undefined) break
      const silentSec = Math.round((nowMs - connection.lastHeardMs) / 1000)
      this.#disconnect(connection, 'KEEP_ALIVE_TIMEOUT', `nothing was heard for ${silentSec} s`, 'lost', nowMs)
    }
    if (this.#role !== 'leading') return
    this.#sessions.handleTick(nowMs)
    if (nowMs < this.#nextSweepMs) return
    this.#nextSweepMs = nowMs + PRODUCER_SWEEP_MS
    const idle = state.producers.idle(nowMs)
    for (let at = 0; at < idle.length; at += PRODUCERS_FORGOTTEN_AT_ONCE) {
      const producerIds = idle.slice(at, at + PRODUCERS_FORGOTTEN_AT_ONCE)
      queue.appendControl([{ kind: 'forgetProducers', producerIds }], nowMs)
    }
  }

  /** When {@link handleTick} has something to do; it may be early. Undefined: never, as things are. */
  nextDeadlineMs(): number | undefined {
    const silentMs = this.#context.connections.nextDeadlineMs
    if (this.#role !== 'leading') return silentMs
    const never = Number.POSITIVE_INFINITY
    return Math.min(this.#nextSweepMs, silentMs ?? never, this.#sessions.nextDeadlineMs ?? never)
  }

  /** The broker stops: every client is told, and the place of every durable subscription is kept. */
  shutdown(nowMs: number): void {
    const message = 'the broker is stopping; connect again later'
    for (const connection of [...this.#context.connections.values()])
      this.#disconnect(connection, 'SHUTTING_DOWN', message, 'stopped', nowMs)
    this.#cursors.flush(nowMs)
  }

  #connect(connection: Connection, packet: Packet, nowMs: number): void {
    if (packet.type !== PacketType.CONNECT) {
      const what = connection.state === 'new' ? 'the first packet' : 'a packet before CONNACK'
      throw new GomqError('PROTOCOL_ERROR', `${what} has type ${packet.type}; it must be CONNECT`)
    }
    this.#checkLeading()
    this.#sessions.connect(connection, packet, nowMs)
  }

  #checkLeading(): void {
    if (this.#role === 'deposed') throw new GomqError('NOT_LEADER', NOT_LEADER)
    if (this.#role === 'starting')
      throw new GomqError('NO_LEADER', 'the broker is still starting; connect again in a moment')
  }

  #dispatch(connection: Connection, packet: Packet, nowMs: number): void {
    switch (packet.type) {
      case PacketType.PUBLISH:
        return this.#publishing.publish(connection, packet, nowMs)
      case PacketType.SUBSCRIBE:
        return this.#subscribing.subscribe(connection, packet, nowMs)
      case PacketType.UNSUBSCRIBE:
        return this.#subscribing.unsubscribe(connection, packet, nowMs)
      case PacketType.ACK:
        return this.#cursors.ack(this.#subscribing.of(connection, packet.subscriptionId), packet, nowMs)
      case PacketType.CREDIT:
        return this.#credit(connection, packet)
      case PacketType.LAGREQ:
        return this.#subscribing.lag(connection, packet)
      case PacketType.PINGREQ:
        return this.#context.send(connection.id, { type: PacketType.PINGRESP, requestId: packet.requestId })
      case PacketType.DISCONNECT:
        this.#forget(connection, packet.code === null ? 'left' : 'lost', nowMs)
        return this.#context.options.outbox.close(connection.id)
      case PacketType.CONNECT:
        throw new GomqError('PROTOCOL_ERROR', 'a second CONNECT on one connection')
      default:
        throw new GomqError('PROTOCOL_ERROR', `a client sent packet type ${packet.type}, which only a broker sends`)
    }
  }

  #credit(connection: Connection, packet: CreditPacket): void {
    const subscription = connection.subscriptions.get(packet.subscriptionId)
    if (subscription === undefined) return // Ended while the credit was on its way.
    subscription.addCredit(packet.messages, packet.bytes)
    this.#context.delivery.pump(subscription)
  }

  #refuse(connection: Connection, packet: Packet, error: GomqError, nowMs: number): void {
    const requestId = 'requestId' in packet ? packet.requestId : 0
    const { code, message } = error
    if (requestId === 0 || connection.state !== 'established' || code === 'PROTOCOL_ERROR')
      this.#disconnect(connection, code, message, 'lost', nowMs)
    else this.#context.send(connection.id, { type: PacketType.ERROR, requestId, code, message })
  }

  #disconnect(connection: Connection, code: ErrorCode, message: string, end: ConnectionEnd, nowMs: number): void {
    this.#context.send(connection.id, { type: PacketType.DISCONNECT, code, message })
    this.#forget(connection, end, nowMs)
    this.#context.options.outbox.close(connection.id)
  }

  #forget(connection: Connection, end: ConnectionEnd, nowMs: number): void {
    if (!this.#context.connections.remove(connection)) return
    const isDeposed = this.#role === 'deposed'
    for (const subscription of [...connection.subscriptions.values()])
      if (isDeposed) this.#context.delivery.detach(subscription)
      else this.#subscribing.detach(connection, subscription, nowMs)
    if (end !== 'stopped') this.#sessions.handleEnded(connection, end === 'left', nowMs)
  }
}
