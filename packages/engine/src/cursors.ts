import { type AckPacket, GomqError, PacketType } from '@gomq/protocol'
import type { ControlRecord } from './control-record.js'
import type { EngineContext } from './engine-context.js'
import { CURSOR_PERSIST_OFFSETS, OUTSTANDING_RANGES_MAX, RECORDS_PER_BATCH } from './limits.js'
import type { Subscription } from './subscription.js'

type CursorRecord = Extract<ControlRecord, { kind: 'cursor' }>

/** Who is told that an acknowledgement has committed. */
interface AckAnswer {
  readonly connectionId: number
  readonly requestId: number
}

/**
 * Acknowledgements and the cursors that they move. While a batch is on its way to the disk they gather; its commit sends all of them in
 * one control batch, one record for each subscription, so that a consumer costs one record a round however it acknowledges.
 */
export class Cursors {
  readonly #context: EngineContext
  /** Subscriptions whose cursor has moved, or for whom somebody waits. */
  readonly #dirty = new Set<Subscription>()

  constructor(context: EngineContext) {
    this.#context = context
  }

  /**
   * ACK of a subscription: what is acknowledged already changes nothing.
   * @throws GomqError LIMIT_EXCEEDED  this one, or one before it that asked for no answer, was too much to keep: part of it is delivered again
   */
  ack(subscription: Subscription, packet: AckPacket, nowMs: number): void {
    const { delivery, send } = this.#context
    const { connection } = subscription
    if (!subscription.keepsAcks) {
      if (packet.requestId !== 0) send(connection.id, { type: PacketType.ACKED, requestId: packet.requestId })
      return
    }
    const position = this.#take(subscription, packet.ranges)
    const isRefused = packet.requestId !== 0 && subscription.hasLostAcks
    if (packet.requestId !== 0 && !isRefused) subscription.ackRequests.push({ requestId: packet.requestId, position })
    this.#dirty.add(subscription)
    delivery.pump(subscription)
    this.flushIfIdle(nowMs)
    if (!isRefused) return
    subscription.hasLostAcks = false
    throw new GomqError(
      'LIMIT_EXCEEDED',
      `more than ${OUTSTANDING_RANGES_MAX} separate ranges are acknowledged that were not delivered on this connection; wait for them to be delivered again`,
    )
  }

  /** The place of the subscription is persisted with the next {@link flush}. */
  refresh(subscription: Subscription): void {
    subscription.isCursorDirty = true
    this.#dirty.add(subscription)
  }

  /** The subscription ends on this connection: its place is kept. */
  keep(subscription: Subscription, nowMs: number): void {
    const position = subscription.cursorPosition(this.#context.delivery.highWatermark)
    if (position > subscription.persistedPosition) subscription.isCursorDirty = true
    this.#dirty.add(subscription)
    this.flush(nowMs)
    this.drop(subscription)
  }

  /** The subscription ends on this connection, before it stood or with its place kept already: who still waits is refused. */
  drop(subscription: Subscription): void {
    this.#dirty.delete(subscription)
    // What came too early for the cursor is not kept: it is delivered again.
    const message = 'the subscription ended before the acknowledgement could be kept; what it is for is delivered again'
    for (const { requestId } of subscription.ackRequests.splice(0))
      this.#context.send(subscription.connection.id, {
        type: PacketType.ERROR,
        requestId,
        code: 'NO_SUCH_SUBSCRIPTION',
        message,
      })
  }

  /**
   * The subscription is forgotten: its place is not kept.
   * @returns  to be called when the record that says so has committed: who waits is told then, since nothing comes again
   */
  forget(subscription: Subscription): () => void {
    this.#dirty.delete(subscription)
    const waiting = subscription.ackRequests.splice(0)
    const connectionId = subscription.connection.id
    return () => {
      for (const { requestId } of waiting) this.#context.send(connectionId, { type: PacketType.ACKED, requestId })
    }
  }

  /** Nothing is persisted any more, and nobody who waits is told anything. */
  clear(): void {
    this.#dirty.clear()
  }

  /** Persists what has moved, unless a commit is coming that will. */
  flushIfIdle(nowMs: number): void {
    if (this.#context.queue.isEmpty) this.flush(nowMs)
  }

  /**
   * Persists the cursors that have moved, in one control batch, or a few if they are large; who waits for an acknowledgement is told when
   * that commits.
   */
  flush(nowMs: number): void {
    if (this.#dirty.size === 0) return
    const { queue, send } = this.#context
    let records: CursorRecord[] = []
    let ranges = 0
    let hasMoved = false
    const answers: AckAnswer[] = []
    for (const subscription of this.#dirty) {
      const record = this.#recordOf(subscription)
      if (record !== undefined) {
        hasMoved = true
        const more = record.unacked.length / 2
        if (records.length > 0 && (ranges + more > OUTSTANDING_RANGES_MAX || records.length >= RECORDS_PER_BATCH)) {
          queue.appendControl(records, nowMs)
          records = []
          ranges = 0
        }
        records.push(record)
        ranges += more
      }
      this.#takeAnswers(subscription, answers)
      if (subscription.ackRequests.length === 0) this.#dirty.delete(subscription)
    }
    const answer = () => {
      for (const { connectionId, requestId } of answers) send(connectionId, { type: PacketType.ACKED, requestId })
    }
    // The last one answers for all.
    if (hasMoved) queue.appendControl(records, nowMs, answer)
    // Nothing moved: what they acknowledge is acknowledged, or on its way in an earlier record.
    else if (answers.length > 0) this.#afterPending(answer)
  }

  /** Marks what is acknowledged. @returns where the cursor has to be for all of it to be kept */
  #take(subscription: Subscription, ranges: readonly number[]): number {
    const known = Math.max(subscription.resumeAt, subscription.cursorPosition(this.#context.delivery.highWatermark))
    const { highWatermark } = this.#context.delivery
    let removed = 0
    let position = 0
    for (let i = 0; i < ranges.length; i += 2) {
      const from = ranges[i]!
      const to = ranges[i + 1]!
      removed += subscription.unacked.remove(from, Math.min(to, known))
      // Nobody can have got what has not committed.
      const earlyTo = Math.min(to, highWatermark)
      if (earlyTo <= Math.max(from, known)) continue
      if (subscription.earlyAcks.count >= OUTSTANDING_RANGES_MAX) {
        subscription.hasLostAcks = true
        continue
      }
      subscription.earlyAcks.add(Math.max(from, known), earlyTo)
      position = Math.max(position, earlyTo)
    }
    if (removed > 0) subscription.isCursorDirty = true
    return position
  }

  /** Moves the requests that the cursor covers now to `answers`. */
  #takeAnswers(subscription: Subscription, answers: AckAnswer[]): void {
    const waiting = subscription.ackRequests
    const { persistedPosition } = subscription
    if (waiting.length === 0) return
    subscription.ackRequests = waiting.filter(({ position }) => position > persistedPosition)
    for (const { requestId, position } of waiting)
      if (position <= persistedPosition) answers.push({ connectionId: subscription.connection.id, requestId })
  }

  #recordOf(subscription: Subscription): CursorRecord | undefined {
    const position = subscription.cursorPosition(this.#context.delivery.highWatermark)
    if (!subscription.isCursorDirty && position - subscription.persistedPosition <= CURSOR_PERSIST_OFFSETS)
      return undefined
    subscription.persistedPosition = position
    subscription.isCursorDirty = false
    const { connection, name, unacked } = subscription
    return { kind: 'cursor', clientId: connection.clientId, name: name!, position, unacked: unacked.toArray() }
  }

  #afterPending(run: () => void): void {
    const { queue } = this.#context
    if (queue.isEmpty) run()
    else queue.waitFor(queue.logEndOffset, run)
  }
}
