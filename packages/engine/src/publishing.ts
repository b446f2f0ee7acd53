import {
  Attribute,
  attributesOf,
  Compression,
  checkBatch,
  clearRetain,
  compressionOf,
  DEFLATE_FEATURE,
  GomqError,
  type Offset,
  PacketType,
  type PublishPacket,
  producerIdOf,
  recordCountOf,
  stampUnlogged,
  topicOf,
} from '@gomq/protocol'
import { isClearing } from './committed-state.js'
import type { Connection } from './connection.js'
import type { EngineContext } from './engine-context.js'
import {
  PRODUCER_KEPT_MS,
  PRODUCERS_FORGOTTEN_AT_ONCE,
  PRODUCERS_LIMIT,
  PRODUCERS_LOOK_MS,
  PRODUCERS_MAX,
} from './limits.js'

const NOT_GRANTED = `the batch is compressed and the connection was not granted the feature '${DEFLATE_FEATURE}'; ask for it in CONNECT, or publish uncompressed`

/** Takes batches in: checked, judged by the producer's window, appended; or handed to those who listen now. */
export class Publishing {
  readonly #context: EngineContext
  /** When to look for producers to forget, if there are too many; never while a record that forgets some is on its way. */
  #nextLookMs = 0
  #dropped = 0
  /** Why nothing is stored for publishers now; undefined: it is. */
  #noRoom: GomqError | undefined
  #refusedForRoom = 0

  constructor(context: EngineContext) {
    this.#context = context
  }

  /** Messages of QoS 0 that were refused without an answer since the start. */
  get dropped(): number {
    return this.#dropped
  }

  /** Batches that were refused because there is no room for them, since the start. */
  get refusedForRoom(): number {
    return this.#refusedForRoom
  }

  /** From now on what would be stored is refused with `noRoom`, which is retriable; undefined: no longer. */
  handleRoom(noRoom: GomqError | undefined): void {
    this.#noRoom = noRoom
  }

  /**
   * A publisher of QoS 0 that asks for no answer gets none: what may not be published is dropped and counted.
   * @throws GomqError  why the batch is refused; nothing is kept of it
   */
  publish(connection: Connection, packet: PublishPacket, nowMs: number): void {
    const { options, state, queue, delivery } = this.#context
    const { batch, requestId } = packet
    const topic = checkBatch(batch, options.limits, options.crc32)
    const attributes = attributesOf(batch)
    if (compressionOf(batch) !== Compression.NONE && !connection.readsDeflate)
      throw new GomqError('UNSUPPORTED_FEATURE', NOT_GRANTED)
    const refusal = this.#refusal(connection, batch, topic)
    if (refusal !== undefined) {
      if (requestId !== 0 || (attributes & Attribute.QOS_MASK) !== 0) throw refusal
      this.#dropped += recordCountOf(batch)
      return
    }
    if ((attributes & (Attribute.QOS_MASK | Attribute.RETAIN)) === 0) {
      stampUnlogged(batch, nowMs, options.crc32)
      delivery.fanOut(batch, topic, connection.id)
      return
    }
    const producerId = producerIdOf(batch)
    if (producerId !== connection.producerId && producerId !== 0 && !this.#claim(connection, producerId, nowMs)) return
    const verdict = state.producers.judge(batch)
    if (verdict.kind === 'duplicate') {
      const { baseOffset, endOffset } = verdict
      if (endOffset <= delivery.highWatermark) this.acknowledge(connection.id, requestId, baseOffset)
      else queue.waitFor(endOffset, () => this.acknowledge(connection.id, requestId, baseOffset))
      return
    }
    if (state.producers.count >= PRODUCERS_LIMIT && state.producers.isUnknown(batch)) {
      throw new GomqError(
        'LIMIT_EXCEEDED',
        `${PRODUCERS_LIMIT} producers and idempotency keys came within an hour, the limit; try again later, or publish without`,
      )
    }
    // Last: what is stored already is acknowledged, and what is refused leaves no trace in its producer's window.
    if (this.#noRoom !== undefined) {
      this.#refusedForRoom++
      if (requestId !== 0 || (attributes & Attribute.QOS_MASK) !== 0) throw this.#noRoom
      this.#dropped += recordCountOf(batch)
      return
    }
    queue.append(batch, topic, nowMs, connection.id, requestId)
    this.#remember(batch, nowMs)
  }

  /**
   * Publishes a will that was checked when its client connected. One that is in the log already, before a crash, is not stored again;
   * one that is to be retained where there is no room for more is published as one that is not. A will is not refused for want of disk space:
   * its sender is gone, and there is one a session.
   */
  publishWill(will: Uint8Array, nowMs: number): void {
    const { options, state, queue, delivery } = this.#context
    // Stamped in place; the session's own copy stays as it is.
    const batch = will.slice()
    const topic = topicOf(batch)
    // Its client is gone: there is nobody to refuse it to.
    if (attributesOf(batch) & Attribute.RETAIN && !this.#hasRoomFor(batch, topic)) clearRetain(batch, options.crc32)
    if ((attributesOf(batch) & (Attribute.QOS_MASK | Attribute.RETAIN)) === 0) {
      stampUnlogged(batch, nowMs, options.crc32)
      delivery.fanOut(batch, topic, 0)
      return
    }
    try {
      if (state.producers.judge(batch).kind === 'duplicate') return
    } catch (error) {
      // Its sequence is no news to the window: it was stored long ago.
      if (error instanceof GomqError) return
      throw error
    }
    queue.append(batch, topic, nowMs, 0, 0)
    this.#remember(batch, nowMs)
  }

  /** Tells a publisher that its batch is safe, if it still waits. */
  acknowledge(connectionId: number, requestId: number, baseOffset: Offset): void {
    if (requestId === 0) return
    const { options, send } = this.#context
    const { epoch, durability } = options
    send(connectionId, { type: PacketType.PUBACK, requestId, baseOffset, epoch, durability })
  }

  /**
   * A producer speaks over its newest connection. What an older one brings yet, as it was not read for want of room, was sent again over the newer: if it
   * was refused there, its producer goes on under another epoch, and taken from here it would be stored twice. A door stays out of it: it is read at
   * once, and many publish over it.
   * @returns whether this is the newest; else it is closed
   */
  #claim(connection: Connection, producerId: number, nowMs: number): boolean {
    if (connection.isDoor) return true
    const { connections, disconnect } = this.#context
    const other = connections.ofProducer(producerId)
    const isNewest = connections.isNewestOf(connection, producerId)
    if (isNewest) connections.claimProducer(connection, producerId)
    const older = isNewest ? other : connection
    const message = `producer ${producerId} publishes over a newer connection; give each process a producer of its own`
    // No end of a session: whoever publishes under the number of another costs it a connection, and not its life.
    if (older !== undefined) disconnect(older, 'PRODUCER_FENCED', message, nowMs)
    return isNewest
  }

  /** Takes an appended batch into its producer's window; when there are too many producers, those that have been idle for longest go, after an hour. */
  #remember(batch: Uint8Array, nowMs: number): void {
    const { state, queue, delivery } = this.#context
    const { producers } = state
    producers.apply(batch, delivery.highWatermark)
    if (producers.count <= PRODUCERS_MAX || nowMs < this.#nextLookMs) return
    const seenMs = nowMs - PRODUCER_KEPT_MS
    const producerIds = producers.longestIdle(PRODUCERS_FORGOTTEN_AT_ONCE, seenMs, delivery.highWatermark)
    this.#nextLookMs = producerIds.length === 0 ? nowMs + PRODUCERS_LOOK_MS : Number.POSITIVE_INFINITY
    if (producerIds.length === 0) return
    queue.appendControl([{ kind: 'forgetProducers', producerIds }], nowMs, () => {
      this.#nextLookMs = 0
    })
  }

  /** Why the batch may not be published; undefined: it may. */
  #refusal(connection: Connection, batch: Uint8Array, topic: string): GomqError | undefined {
    const { authorizer, options } = this.#context
    if (topic.startsWith('$'))
      return new GomqError('NOT_AUTHORIZED', `topics that begin with '$' belong to the broker; publish to another`)
    const refusal = authorizer.mayPublish(connection.identity, topic)
    if (refusal !== undefined || !(attributesOf(batch) & Attribute.RETAIN)) return refusal
    if (this.#hasRoomFor(batch, topic)) return undefined
    return new GomqError(
      'LIMIT_EXCEEDED',
      `${options.limits.retainedTopicsMax} topics have a retained message, the limit; clear some by publishing an empty retained message`,
    )
  }

  /** Whether the retained batch leaves no more topics with a retained message than there may be. */
  #hasRoomFor(batch: Uint8Array, topic: string): boolean {
    const { options, state } = this.#context
    const { retained } = state
    return (
      retained.count < options.limits.retainedTopicsMax || retained.offsetOf(topic) !== undefined || isClearing(batch)
    )
  }
}
