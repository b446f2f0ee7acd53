import { type AckPacket, PacketType } from '@gomq/protocol'
import type { ControlRecord } from './control-record.js'
import type { EngineContext } from './engine-context.js'
import { CURSOR_PERSIST_OFFSETS } from './limits.js'
import type { Subscription } from './subscription.js'

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

  /** ACK of a subscription: what is acknowledged already changes nothing. */
  ack(subscription: Subscription, packet: AckPacket, nowMs: number): void {
    const { delivery, send } = this.#context
    const { connection } = subscription
    if (!subscription.keepsAcks) {
      if (packet.requestId !== 0) send(connection.id, { type: PacketType.ACKED, requestId: packet.requestId })
      return
    }
    let removed = 0
    for (let i = 0; i < packet.ranges.length; i += 2)
      removed += subscription.unacked.remove(packet.ranges[i]!, packet.ranges[i + 1]!)
    if (packet.requestId !== 0) subscription.ackRequests.push(packet.requestId)
    if (removed > 0) subscription.isCursorDirty = true
    this.#dirty.add(subscription)
    delivery.pump(subscription)
    this.flushIfIdle(nowMs)
  }

  /** The subscription ends on this connection: its place is kept. */
  keep(subscription: Subscription, nowMs: number): void {
    const position = subscription.cursorPosition(this.#context.delivery.highWatermark)
    if (position > subscription.persistedPosition) subscription.isCursorDirty = true
    this.#dirty.add(subscription)
    this.flush(nowMs)
  }

  /** The subscription is forgotten: its place is not kept. */
  drop(subscription: Subscription): void {
    this.#dirty.delete(subscription)
  }

  /** Persists what has moved, unless a commit is coming that will. */
  flushIfIdle(nowMs: number): void {
    if (this.#context.queue.isEmpty) this.flush(nowMs)
  }

  /** Persists the cursors that have moved, in one control batch; who waits for an acknowledgement is told when that commits. */
  flush(nowMs: number): void {
    if (this.#dirty.size === 0) return
    const { queue, send } = this.#context
    const records: ControlRecord[] = []
    const answers: AckAnswer[] = []
    for (const subscription of this.#dirty) {
      for (const requestId of subscription.ackRequests)
        answers.push({ connectionId: subscription.connection.id, requestId })
      subscription.ackRequests = []
      const record = this.#recordOf(subscription)
      if (record !== undefined) records.push(record)
    }
    this.#dirty.clear()
    const answer = () => {
      for (const { connectionId, requestId } of answers) send(connectionId, { type: PacketType.ACKED, requestId })
    }
    if (records.length > 0) queue.appendControl(records, nowMs, answer)
    // Nothing moved: what they acknowledge is acknowledged, or on its way in an earlier record.
    else if (answers.length > 0) this.#afterPending(answer)
  }

  #recordOf(subscription: Subscription): ControlRecord | undefined {
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
