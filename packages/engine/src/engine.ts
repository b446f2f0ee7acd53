import {
  type AckPacket,
  Attribute,
  appendTimeMsOf,
  attributesOf,
  baseOffsetOf,
  CLIENT_ID_BYTES_MAX,
  type ConnectPacket,
  type Crc32,
  type CreditPacket,
  checkBatch,
  type Durability,
  decodeMsgpack,
  type Epoch,
  type ErrorCode,
  encodeMsgpack,
  epochOf,
  frameBytesMaxFor,
  GomqError,
  invariant,
  isControl,
  NO_OFFSET,
  nextOffsetOf,
  type Offset,
  type Packet,
  PacketType,
  PROTOCOL_VERSION,
  type PublishPacket,
  producerIdOf,
  qosOf,
  type Random,
  REASON_LENGTH_MAX,
  randomIdentity,
  type SubscribePacket,
  stampLeader,
  stampUnlogged,
  topicOf,
  type UnsubscribePacket,
  utf8Bytes,
  validateTopicFilter,
} from '@gomq/protocol'
import { Connection } from './connection.js'
import { type ControlRecord, decodeControlBatch, encodeControlBatch } from './control-record.js'
import { Delivery } from './delivery.js'
import { type DurableSubscription, DurableSubscriptions } from './durable-subscriptions.js'
import {
  CURSOR_PERSIST_OFFSETS,
  DURABLE_PER_CLIENT_MAX,
  FILTERS_PER_CONNECTION_MAX,
  KEEP_ALIVE_SEC_MAX,
  PRODUCER_WINDOW_BATCHES,
} from './limits.js'
import type { EngineReadResult, Outbox } from './outbox.js'
import { Producers } from './producers.js'
import { Subscription } from './subscription.js'

export interface EngineOptions {
  readonly brokerId: string
  readonly brokerVersion: string
  readonly epoch: Epoch
  readonly crc32: Crc32
  readonly random?: Random
  readonly limits: { readonly messageBytesMax: number }
  readonly durability: Durability
  readonly logStartOffset: Offset
  readonly logEndOffset: Offset
  readonly lastAppendTimeMs: number
  readonly outbox: Outbox
}

/** A batch between append and commit, with what is to happen when it commits. */
interface Pending {
  readonly batch: Uint8Array
  /** Empty for a control batch. */
  readonly topic: string
  readonly onCommitted: (() => void) | undefined
}

const PRODUCER_SWEEP_MS = 60 * 60 * 1000

/** The broker without IO. */
export class Engine {
  readonly #options: EngineOptions
  readonly #outbox: Outbox
  readonly #producers = new Producers()
  readonly #durables = new DurableSubscriptions()
  readonly #delivery: Delivery
  readonly #connections = new Map<number, Connection>()
  readonly #clients = new Map<string, Connection>()
  /** Attached durable subscriptions by client id and name. */
  readonly #attached = new Map<string, Subscription>()
  readonly #dirty = new Set<Subscription>()
  readonly #timeSearches = new Map<number, (offset: Offset) => void>()
  #pending: Pending[] = []
  #pendingFirst = 0
  #waiters: { endOffset: number; run: () => void }[] = []
  #logEnd: Offset
  #lastAppendMs: number
  #isStarted = false
  #nextSearch = 1
  #nextSweepMs = 0

  constructor(options: EngineOptions) {
    this.#options = options
    this.#outbox = options.outbox
    this.#delivery = new Delivery(options.outbox, options.logEndOffset)
    this.#logEnd = options.logEndOffset
    this.#lastAppendMs = options.lastAppendTimeMs
  }

  get stats(): Readonly<Record<string, number>> {
    let subscriptions = 0
    for (const connection of this.#connections.values()) subscriptions += connection.subscriptions.size
    return {
      connections: this.#connections.size,
      subscriptions,
      durableSubscriptions: this.#durables.count,
      producers: this.#producers.count,
    }
  }

  restoreEntry(bytes: Uint8Array): void {
    const [kind, ...entry] = decodeMsgpack(bytes) as unknown[]
    if (kind === 1) this.#producers.restore(entry)
    else if (kind === 2) this.#durables.restore(entry)
    else
      throw new GomqError(
        'UNSUPPORTED_FORMAT',
        `the snapshot holds an entry of kind ${String(kind)}, which this version does not know`,
      )
  }

  *snapshotEntries(): Generator<Uint8Array> {
    for (const entry of this.#producers.entries(this.#delivery.highWatermark)) yield encodeMsgpack([1, ...entry])
    for (const entry of this.#durables.entries()) yield encodeMsgpack([2, ...entry])
  }

  replay(batch: Uint8Array): void {
    this.#apply(batch)
  }

  start(nowMs: number): void {
    this.#appendControl(
      [{ kind: 'epochStart', epoch: this.#options.epoch, brokerId: this.#options.brokerId }],
      nowMs,
      () => {
        this.#isStarted = true
      },
    )
  }

  handleOpen(connectionId: number, peer: { readonly remote: string }, nowMs: number): void {
    this.#connections.set(connectionId, new Connection(connectionId, peer.remote, nowMs))
  }

  handlePacket(connectionId: number, packet: Packet, nowMs: number): void {
    const connection = this.#connections.get(connectionId)
    if (connection === undefined) return
    connection.lastHeardMs = nowMs
    if (connection.clientId === undefined && packet.type !== PacketType.CONNECT) {
      this.#disconnect(
        connection,
        'PROTOCOL_ERROR',
        `the first packet has type ${packet.type}; it must be CONNECT`,
        nowMs,
      )
      return
    }
    try {
      this.#dispatch(connection, packet, nowMs)
    } catch (error) {
      if (!(error instanceof GomqError)) throw error
      const requestId = 'requestId' in packet ? packet.requestId : 0
      if (requestId === 0 || packet.type === PacketType.CONNECT || error.code === 'PROTOCOL_ERROR')
        this.#disconnect(connection, error.code, error.message, nowMs)
      else this.#refuse(connection, requestId, error)
    }
  }

  handleClosed(connectionId: number, nowMs: number): void {
    const connection = this.#connections.get(connectionId)
    if (connection !== undefined) this.#forget(connection, nowMs)
  }

  handleBlocked(connectionId: number): void {
    const connection = this.#connections.get(connectionId)
    if (connection !== undefined) connection.isBlocked = true
  }

  handleWritable(connectionId: number, _nowMs: number): void {
    const connection = this.#connections.get(connectionId)
    if (connection === undefined) return
    connection.isBlocked = false
    for (const subscription of connection.subscriptions.values()) this.#delivery.pump(subscription)
  }

  handleCommitted(highWatermark: Offset, nowMs: number): void {
    while (this.#pendingFirst < this.#pending.length) {
      const { batch, topic, onCommitted } = this.#pending[this.#pendingFirst]!
      if (nextOffsetOf(batch) > highWatermark) break
      this.#pendingFirst++
      if (isControl(batch)) {
        this.#applyControl(batch)
        this.#delivery.handleSkipped(nextOffsetOf(batch))
      } else this.#delivery.handleCommitted(batch, topic)
      onCommitted?.()
    }
    if (this.#pendingFirst === this.#pending.length || this.#pendingFirst > 1024) {
      this.#pending = this.#pending.slice(this.#pendingFirst)
      this.#pendingFirst = 0
    }
    if (this.#waiters.length > 0) {
      const ready = this.#waiters.filter((waiter) => waiter.endOffset <= highWatermark)
      this.#waiters = this.#waiters.filter((waiter) => waiter.endOffset > highWatermark)
      for (const { run } of ready) run()
    }
    this.#flushCursors(nowMs)
  }

  handleTruncated(_toOffset: Offset, _nowMs: number): void {
    throw new GomqError('INTERNAL', 'a broker alone never truncates')
  }

  handleRead(token: number, result: EngineReadResult, nowMs: number): void {
    const failed = this.#delivery.handleRead(token, result)
    if (failed === undefined) return
    const error = GomqError.from(failed.error)
    this.#disconnect(failed.subscription.connection, error.code, error.message, nowMs)
  }

  handleOffset(token: number, result: { readonly offset: Offset } | { readonly error: unknown }, _nowMs: number): void {
    const resume = this.#timeSearches.get(token)
    this.#timeSearches.delete(token)
    if (resume !== undefined && 'offset' in result) resume(result.offset)
  }

  handleTick(nowMs: number): void {
    for (const connection of this.#connections.values()) {
      if (connection.keepAliveMs > 0 && nowMs >= connection.deadlineMs) {
        this.#disconnect(
          connection,
          'KEEP_ALIVE_TIMEOUT',
          `nothing was heard for ${Math.round((nowMs - connection.lastHeardMs) / 1000)} s`,
          nowMs,
        )
      }
    }
    if (nowMs >= this.#nextSweepMs) {
      this.#nextSweepMs = nowMs + PRODUCER_SWEEP_MS
      const idle = this.#producers.idle(nowMs)
      if (idle.length > 0) this.#appendControl([{ kind: 'forgetProducers', producerIds: idle }], nowMs, undefined)
    }
  }

  nextDeadlineMs(): number | undefined {
    let next = this.#nextSweepMs
    for (const connection of this.#connections.values())
      if (connection.keepAliveMs > 0) next = Math.min(next, connection.deadlineMs)
    return next
  }

  shutdown(nowMs: number): void {
    for (const connection of [...this.#connections.values()])
      this.#disconnect(connection, 'SHUTTING_DOWN', 'the broker is stopping; connect again later', nowMs)
    this.#flushCursors(nowMs)
  }

  #dispatch(connection: Connection, packet: Packet, nowMs: number): void {
    switch (packet.type) {
      case PacketType.CONNECT:
        return this.#connect(connection, packet, nowMs)
      case PacketType.PUBLISH:
        return this.#publish(connection, packet, nowMs)
      case PacketType.SUBSCRIBE:
        return this.#subscribe(connection, packet, nowMs)
      case PacketType.UNSUBSCRIBE:
        return this.#unsubscribe(connection, packet, nowMs)
      case PacketType.ACK:
        return this.#ack(connection, packet, nowMs)
      case PacketType.CREDIT:
        return this.#credit(connection, packet)
      case PacketType.PINGREQ:
        return this.#outbox.send(connection.id, { type: PacketType.PINGRESP, requestId: packet.requestId })
      case PacketType.DISCONNECT:
        this.#forget(connection, nowMs)
        return this.#outbox.close(connection.id)
      default:
        throw new GomqError('PROTOCOL_ERROR', `a client sent packet type ${packet.type}, which only a broker sends`)
    }
  }

  #connect(connection: Connection, packet: ConnectPacket, nowMs: number): void {
    if (connection.clientId !== undefined) throw new GomqError('PROTOCOL_ERROR', 'a second CONNECT on one connection')
    if (!this.#isStarted) throw new GomqError('NO_LEADER', 'the broker is still starting; connect again in a moment')
    if (packet.versionMin > PROTOCOL_VERSION || packet.versionMax < PROTOCOL_VERSION) {
      throw new GomqError(
        'UNSUPPORTED_VERSION',
        `the client speaks protocol versions ${packet.versionMin} to ${packet.versionMax} and this broker ${PROTOCOL_VERSION}; update the older one`,
      )
    }
    if (
      packet.clientId !== null &&
      (packet.clientId === '' || packet.clientId.includes('\0') || utf8Bytes(packet.clientId) > CLIENT_ID_BYTES_MAX)
    ) {
      throw new GomqError('INVALID_ARGUMENT', `the client id must have 1 to ${CLIENT_ID_BYTES_MAX} bytes and no NUL`)
    }
    const clientId =
      packet.clientId ??
      `auto-${randomIdentity(this.#options.random ?? { next: () => (connection.id % 9007) / 9007 }).toString(36)}-${connection.id}`
    const older = this.#clients.get(clientId)
    if (older !== undefined)
      this.#disconnect(
        older,
        'SESSION_TAKEN_OVER',
        `another connection, from ${connection.remote}, uses the client id; give each client its own`,
        nowMs,
      )
    connection.clientId = clientId
    connection.isNamed = packet.clientId !== null
    this.#clients.set(clientId, connection)
    const keepAliveSec =
      packet.keepAliveSec === 0 ? KEEP_ALIVE_SEC_MAX : Math.min(packet.keepAliveSec, KEEP_ALIVE_SEC_MAX)
    connection.keepAliveMs = keepAliveSec * 1000
    const { brokerId, brokerVersion, epoch, limits } = this.#options
    this.#outbox.send(connection.id, {
      type: PacketType.CONNACK,
      requestId: packet.requestId,
      version: PROTOCOL_VERSION,
      features: [],
      clientId,
      sessionPresent: this.#durables.countOf(clientId) > 0,
      brokerId,
      epoch,
      brokerVersion,
      frameBytesMax: frameBytesMaxFor(limits.messageBytesMax),
      messageBytesMax: limits.messageBytesMax,
      keepAliveSec,
      inflightBatchesMax: PRODUCER_WINDOW_BATCHES,
      sessionExpirySec: 0,
    })
  }

  #publish(connection: Connection, packet: PublishPacket, nowMs: number): void {
    const { batch, requestId } = packet
    const topic = checkBatch(batch, this.#options.limits, this.#options.crc32)
    if (topic.startsWith('$'))
      throw new GomqError('NOT_AUTHORIZED', `topics that begin with '$' belong to the broker; publish to another`)
    if (qosOf(batch) === 0 && !(attributesOf(batch) & Attribute.RETAIN)) {
      stampUnlogged(batch, nowMs, this.#options.crc32)
      this.#delivery.fanOut(batch, topic)
      return
    }
    const verdict = this.#producers.judge(batch)
    if (verdict.kind === 'duplicate') {
      const answer = () => this.#puback(connection, requestId, verdict.baseOffset)
      if (verdict.endOffset <= this.#delivery.highWatermark) answer()
      else this.#waiters.push({ endOffset: verdict.endOffset, run: answer })
      return
    }
    const baseOffset = this.#append(
      batch,
      topic,
      nowMs,
      requestId === 0 ? undefined : () => this.#puback(connection, requestId, baseOffset),
    )
    this.#producers.apply(batch)
  }

  #puback(connection: Connection, requestId: number, baseOffset: Offset): void {
    if (requestId === 0 || !this.#connections.has(connection.id)) return
    const { epoch, durability } = this.#options
    this.#outbox.send(connection.id, { type: PacketType.PUBACK, requestId, baseOffset, epoch, durability })
  }

  #subscribe(connection: Connection, packet: SubscribePacket, nowMs: number): void {
    const { filters, name, subscriptionId } = packet
    if (filters.length === 0) throw new GomqError('INVALID_FILTER', 'a subscription needs at least one topic filter')
    for (const filter of filters) validateTopicFilter(filter)
    if (packet.qos > 1) throw new GomqError('UNSUPPORTED_FEATURE', 'QoS 2 is not available; subscribe with QoS 0 or 1')
    if (connection.subscriptions.has(subscriptionId))
      throw new GomqError(
        'SUBSCRIPTION_IN_USE',
        `subscription ${subscriptionId} exists on this connection; choose another number`,
      )
    if (connection.filterCount + filters.length > FILTERS_PER_CONNECTION_MAX)
      throw new GomqError('LIMIT_EXCEEDED', `the connection would have more than ${FILTERS_PER_CONNECTION_MAX} filters`)
    if (name !== null && !connection.isNamed)
      throw new GomqError('INVALID_ARGUMENT', 'a durable subscription belongs to a client id; connect with one')
    const key = name === null ? undefined : `${connection.clientId}\0${name}`
    if (key !== undefined && this.#attached.has(key))
      throw new GomqError(
        'SUBSCRIPTION_IN_USE',
        `the durable subscription ${JSON.stringify(name)} is in use on this connection`,
      )
    const known = name === null ? undefined : this.#durables.get(connection.clientId!, name)
    if (
      name !== null &&
      known === undefined &&
      this.#durables.countOf(connection.clientId!) >= DURABLE_PER_CLIENT_MAX
    ) {
      throw new GomqError(
        'LIMIT_EXCEEDED',
        `the client has ${DURABLE_PER_CLIENT_MAX} durable subscriptions, the limit; forget one`,
      )
    }
    const { from } = packet
    if (known === undefined && from.kind === 'time') {
      const token = this.#nextSearch++
      this.#timeSearches.set(token, (offset) => {
        if (this.#connections.has(connection.id))
          this.handlePacket(connection.id, { ...packet, from: { kind: 'offset', offset } }, connection.lastHeardMs)
      })
      this.#outbox.findOffset(token, from.timeMs)
      return
    }
    const position = known === undefined ? this.#startOffset(packet) : (known.position as Offset)
    const subscription = new Subscription({
      connection,
      id: subscriptionId,
      filters,
      qos: packet.qos,
      name,
      creditMessages: packet.creditMessages,
      creditBytes: packet.creditBytes,
      position,
      unacked: known?.unacked ?? [],
    })
    connection.subscriptions.set(subscriptionId, subscription)
    connection.filterCount += filters.length
    if (key !== undefined) this.#attached.set(key, subscription)
    const attach = () => {
      if (subscription.state === 'closed') return
      this.#outbox.send(connection.id, {
        type: PacketType.SUBACK,
        requestId: packet.requestId,
        subscriptionId,
        startOffset: subscription.position,
        resumed: known !== undefined,
      })
      this.#delivery.attach(subscription)
    }
    if (name === null || (known !== undefined && isSame(known, packet))) attach()
    else {
      const record: ControlRecord = {
        kind: 'subscription',
        clientId: connection.clientId!,
        name,
        filters,
        qos: packet.qos,
        position,
        unacked: known?.unacked ?? [],
      }
      this.#appendControl([record], nowMs, attach)
    }
  }

  #startOffset(packet: SubscribePacket): Offset {
    const { from } = packet
    const { highWatermark } = this.#delivery
    const { logStartOffset } = this.#options
    if (from.kind === 'earliest') return logStartOffset
    if (from.kind !== 'offset') return highWatermark
    if (from.offset < logStartOffset || from.offset > highWatermark) {
      throw new GomqError(
        'OFFSET_OUT_OF_RANGE',
        `offset ${from.offset} is outside the log, ${logStartOffset} to ${highWatermark}; start from one in it, from 'earliest' or from 'new'`,
      )
    }
    return from.offset
  }

  #unsubscribe(connection: Connection, packet: UnsubscribePacket, nowMs: number): void {
    const subscription = this.#subscriptionOf(connection, packet.subscriptionId)
    this.#detach(subscription, nowMs)
    const answer = () =>
      this.#connections.has(connection.id) &&
      this.#outbox.send(connection.id, { type: PacketType.UNSUBACK, requestId: packet.requestId })
    if (packet.forget && subscription.name !== null) {
      this.#dirty.delete(subscription)
      this.#appendControl(
        [{ kind: 'forgetSubscription', clientId: connection.clientId!, name: subscription.name }],
        nowMs,
        answer,
      )
    } else answer()
  }

  #ack(connection: Connection, packet: AckPacket, nowMs: number): void {
    const subscription = this.#subscriptionOf(connection, packet.subscriptionId)
    if (!subscription.keepsAcks) {
      if (packet.requestId !== 0)
        this.#outbox.send(connection.id, { type: PacketType.ACKED, requestId: packet.requestId })
      return
    }
    let removed = 0
    for (let i = 0; i < packet.ranges.length; i += 2)
      removed += subscription.unacked.remove(packet.ranges[i]!, packet.ranges[i + 1]!)
    if (packet.requestId !== 0) subscription.ackRequests.push(packet.requestId)
    if (removed > 0) subscription.isCursorDirty = true
    this.#dirty.add(subscription)
    this.#delivery.pump(subscription)
    // While a batch is on its way to the disk, acknowledgements gather: its commit flushes them all into one control batch.
    if (this.#pendingFirst === this.#pending.length) this.#flushCursors(nowMs)
  }

  #credit(connection: Connection, packet: CreditPacket): void {
    const subscription = connection.subscriptions.get(packet.subscriptionId)
    if (subscription === undefined) return
    subscription.creditMessages = Math.min(subscription.creditMessages + packet.messages, 0xffff_ffff)
    subscription.creditBytes = Math.min(subscription.creditBytes + packet.bytes, 0xffff_ffff)
    this.#delivery.pump(subscription)
  }

  #subscriptionOf(connection: Connection, id: number): Subscription {
    const subscription = connection.subscriptions.get(id)
    if (subscription === undefined)
      throw new GomqError('NO_SUCH_SUBSCRIPTION', `the connection has no subscription ${id}`)
    return subscription
  }

  /** Persists the cursors that acknowledgements have moved, all in one control batch. */
  #flushCursors(nowMs: number): void {
    if (this.#dirty.size === 0) return
    const records: ControlRecord[] = []
    const answers: [number, number][] = []
    for (const subscription of this.#dirty) {
      const { connection } = subscription
      for (const requestId of subscription.ackRequests) answers.push([connection.id, requestId])
      subscription.ackRequests = []
      const position = subscription.cursorPosition(this.#delivery.highWatermark)
      if (subscription.isCursorDirty || position - subscription.persistedPosition > CURSOR_PERSIST_OFFSETS) {
        records.push({
          kind: 'cursor',
          clientId: connection.clientId!,
          name: subscription.name!,
          position,
          unacked: subscription.unacked.toArray(),
        })
        subscription.persistedPosition = position
        subscription.isCursorDirty = false
      }
    }
    this.#dirty.clear()
    const answer = () => {
      for (const [connectionId, requestId] of answers)
        if (this.#connections.has(connectionId)) this.#outbox.send(connectionId, { type: PacketType.ACKED, requestId })
    }
    if (records.length === 0) answer()
    else this.#appendControl(records, nowMs, answer)
  }

  #detach(subscription: Subscription, nowMs: number): void {
    const { connection } = subscription
    connection.subscriptions.delete(subscription.id)
    connection.filterCount -= subscription.filters.length
    const wasWaiting = subscription.state === 'waiting'
    this.#delivery.detach(subscription)
    if (subscription.name === null) return
    this.#attached.delete(`${connection.clientId}\0${subscription.name}`)
    if (wasWaiting) return
    if (subscription.cursorPosition(this.#delivery.highWatermark) > subscription.persistedPosition)
      subscription.isCursorDirty = true
    this.#dirty.add(subscription)
    this.#flushCursors(nowMs)
  }

  #forget(connection: Connection, nowMs: number): void {
    if (!this.#connections.delete(connection.id)) return
    if (connection.clientId !== undefined && this.#clients.get(connection.clientId) === connection)
      this.#clients.delete(connection.clientId)
    for (const subscription of [...connection.subscriptions.values()]) this.#detach(subscription, nowMs)
  }

  #disconnect(connection: Connection, code: ErrorCode, message: string, nowMs: number): void {
    this.#outbox.send(connection.id, {
      type: PacketType.DISCONNECT,
      code,
      message: message.slice(0, REASON_LENGTH_MAX),
    })
    this.#forget(connection, nowMs)
    this.#outbox.close(connection.id)
  }

  #refuse(connection: Connection, requestId: number, error: GomqError): void {
    this.#outbox.send(connection.id, {
      type: PacketType.ERROR,
      requestId,
      code: error.code,
      message: error.message.slice(0, REASON_LENGTH_MAX),
    })
  }

  #appendControl(records: readonly ControlRecord[], nowMs: number, onCommitted: (() => void) | undefined): void {
    this.#append(encodeControlBatch(records, nowMs, this.#options.crc32), '', nowMs, onCommitted)
  }

  #append(batch: Uint8Array, topic: string, nowMs: number, onCommitted: (() => void) | undefined): Offset {
    const baseOffset = this.#logEnd
    this.#lastAppendMs = Math.max(this.#lastAppendMs, nowMs)
    stampLeader(batch, baseOffset, this.#options.epoch, this.#lastAppendMs)
    this.#logEnd = nextOffsetOf(batch)
    this.#pending.push({ batch, topic, onCommitted })
    this.#outbox.append(batch)
    return baseOffset
  }

  #apply(batch: Uint8Array): void {
    if (isControl(batch)) this.#applyControl(batch)
    else if (producerIdOf(batch) !== 0) this.#producers.apply(batch)
  }

  #applyControl(batch: Uint8Array): void {
    let offset = baseOffsetOf(batch)
    for (const record of decodeControlBatch(batch)) {
      if (record.kind === 'forgetProducers') this.#producers.forget(record.producerIds, offset)
      else this.#durables.apply(record, offset)
      offset++
    }
    invariant(
      epochOf(batch) <= this.#options.epoch &&
        appendTimeMsOf(batch) >= 0 &&
        offset > NO_OFFSET &&
        topicOf(batch) === '',
      'a control batch of a later epoch',
    )
  }
}

function isSame(known: DurableSubscription, packet: SubscribePacket): boolean {
  return (
    known.qos === packet.qos &&
    known.filters.length === packet.filters.length &&
    known.filters.every((filter, i) => filter === packet.filters[i])
  )
}
