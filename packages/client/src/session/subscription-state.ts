import {
  ACK_RANGES_MAX,
  type AckPacket,
  type CreditPacket,
  type DeliveredRecords,
  type GomqError,
  NO_OFFSET,
  type Offset,
  OffsetRanges,
  PacketType,
  type StartPosition,
  type SubackPacket,
  type SubscribePacket,
} from '@gomq/protocol'
import { AckGroup } from './ack-group.js'
import { type DeliveredRecord, DeliveryQueue } from './delivery-queue.js'

/** What a subscription asks for. */
export interface SubscriptionRequest {
  readonly filters: readonly string[]
  readonly qos: 0 | 1
  /** Name of a durable subscription; null for one that ends with the client. */
  readonly name: string | null
  readonly from: StartPosition
  readonly prefetchMessages: number
  readonly prefetchBytes: number
  /** Ends when what was stored at the start has been handed out. */
  readonly untilEnd: boolean
}

/** Told when there is something to do for the one who iterates. */
export interface SubscriptionListener {
  /** Something waits in {@link SubscriptionState.next}, or the subscription has ended. */
  handleReadable(): void
  handleTail(offset: Offset): void
}

/**
 * One subscription over all its connections: what was delivered, what is acknowledged, what the broker may still send.
 *
 * Credit: granted at the broker + waiting in the queue + consumed and not yet given back = the prefetch.
 */
export class SubscriptionState {
  readonly id: number
  readonly request: SubscriptionRequest
  readonly listener: SubscriptionListener
  readonly #queue = new DeliveryQueue()
  /** Delivered in this process and not known to be acknowledged; kept for QoS 1. */
  readonly #outstanding = new OffsetRanges()
  /** Nothing below it is missing: where an ephemeral subscription resumes. Undefined before the first SUBACK. */
  #resumeOffset: Offset | undefined
  #hasResumed = false
  #tailOffset: Offset | undefined
  #openAcks: AckGroup | null = null
  readonly #sentAcks: AckGroup[] = []
  #end: GomqError | null | undefined

  constructor(id: number, request: SubscriptionRequest, listener: SubscriptionListener) {
    this.id = id
    this.request = request
    this.listener = listener
  }

  /** Undefined while it goes on, null after a normal end, else why it ended. */
  get end(): GomqError | null | undefined {
    return this.#end
  }

  /** Where the broker was when the subscription last caught up. */
  get tailOffset(): Offset | undefined {
    return this.#tailOffset
  }

  /** Whether all that {@link SubscriptionRequest.untilEnd} promises was handed out. */
  get isExhausted(): boolean {
    return this.request.untilEnd && this.#tailOffset !== undefined && this.#queue.messages === 0
  }

  /** Whether no acknowledgement is under way or waits to be sent. */
  get isAckIdle(): boolean {
    return this.#openAcks === null && this.#sentAcks.length === 0
  }

  /** The packet that opens the subscription on a new connection, from where it is now. */
  subscribePacket(requestId: number): SubscribePacket {
    const { filters, qos, name, prefetchMessages, prefetchBytes } = this.request
    const resumesAt = name === null ? this.#resumeOffset : undefined
    this.#hasResumed = this.#resumeOffset !== undefined
    this.#queue.resetConsumed()
    return {
      type: PacketType.SUBSCRIBE,
      requestId,
      subscriptionId: this.id,
      filters: [...filters],
      qos,
      name,
      from: resumesAt === undefined ? this.request.from : { kind: 'offset', offset: resumesAt },
      creditMessages: Math.max(0, prefetchMessages - this.#queue.messages),
      creditBytes: Math.max(0, prefetchBytes - this.#queue.bytes),
      retained: false,
    }
  }

  handleSuback(packet: SubackPacket): void {
    if (this.#resumeOffset === undefined) this.#resumeOffset = packet.startOffset
  }

  handleDeliver(records: DeliveredRecords): void {
    if (this.#end !== undefined || records.count === 0) return
    if (this.request.untilEnd && this.#tailOffset !== undefined) return
    const first = records.offsetAt(0)
    if (first !== NO_OFFSET) {
      const repeats = this.#hasResumed && this.request.name !== null && this.request.qos > 0
      this.#queue.push(records, repeats ? (offset) => this.#outstanding.has(offset) : null)
      const last = records.offsetAt(records.count - 1)
      if (this.request.qos > 0) this.#markOutstanding(records, first, last)
      if (this.#resumeOffset === undefined || last >= this.#resumeOffset) this.#resumeOffset = (last + 1) as Offset
    } else this.#queue.push(records, null)
    this.listener.handleReadable()
  }

  handleTail(offset: Offset): void {
    if (this.#end !== undefined) return
    this.#tailOffset = offset
    if (this.#resumeOffset === undefined || offset > this.#resumeOffset) this.#resumeOffset = offset
    this.listener.handleTail(offset)
    this.listener.handleReadable()
  }

  /**
   * The next message for the iterator, or undefined when none waits.
   * @throws GomqError BAD_RECORD  it cannot be decoded; the one after it comes next
   */
  next(): DeliveredRecord | undefined {
    return this.#end === undefined ? this.#queue.next() : undefined
  }

  /** Whether half of the prefetch is consumed, so that {@link takeCredit} has something. */
  get hasCredit(): boolean {
    const { consumedMessages, consumedBytes } = this.#queue
    const { prefetchMessages, prefetchBytes, untilEnd } = this.request
    if (consumedMessages * 2 < prefetchMessages && consumedBytes * 2 < prefetchBytes) return false
    return this.#end === undefined && !(untilEnd && this.#tailOffset !== undefined)
  }

  /** The credit to give back, once half of the prefetch is consumed. */
  takeCredit(): CreditPacket | undefined {
    if (!this.hasCredit) return undefined
    const { consumedMessages: messages, consumedBytes: bytes } = this.#queue
    this.#queue.resetConsumed()
    return { type: PacketType.CREDIT, subscriptionId: this.id, messages, bytes }
  }

  /** Takes an acknowledgement in. Undefined: there is nothing to acknowledge, or it is done already. */
  ack(offset: Offset): AckGroup | undefined {
    if (this.#end !== undefined || offset === NO_OFFSET || !this.#outstanding.has(offset)) return undefined
    if (this.#openAcks === null) this.#openAcks = new AckGroup()
    this.#openAcks.ranges.add(offset, offset + 1)
    return this.#openAcks
  }

  /** The acknowledgements since the last call, as packets; the last one asks for an answer, which covers all. */
  takeAcks(nextRequestId: () => number): AckPacket[] {
    const group = this.#openAcks
    if (group === null) return []
    this.#openAcks = null
    this.#sentAcks.push(group)
    return this.#packetsOf(group, nextRequestId)
  }

  /** What was sent on a connection that is gone and not answered, to be sent again. */
  repeatAcks(nextRequestId: () => number): AckPacket[] {
    return this.#sentAcks.flatMap((group) => this.#packetsOf(group, nextRequestId))
  }

  /** An answer to {@link takeAcks}: null for ACKED. False if it is none of ours. */
  handleAckAnswer(requestId: number, error: GomqError | null): boolean {
    const at = this.#sentAcks.findIndex((group) => group.requestId === requestId)
    if (at < 0) return false
    const [group] = this.#sentAcks.splice(at, 1)
    const flat = group!.ranges.toArray()
    if (error === null) for (let i = 0; i < flat.length; i += 2) this.#outstanding.remove(flat[i]!, flat[i + 1]!)
    group!.settle(error)
    return true
  }

  /** Ends the subscription: null for a normal end. Acknowledgements that are not answered fail with `unacked`. Again: nothing. */
  finish(error: GomqError | null, unacked: GomqError): void {
    if (this.#end !== undefined) return
    this.#end = error
    this.#queue.clear()
    const groups = this.#openAcks === null ? this.#sentAcks.splice(0) : [...this.#sentAcks.splice(0), this.#openAcks]
    this.#openAcks = null
    for (const group of groups) group.settle(unacked)
    this.listener.handleReadable()
  }

  #packetsOf(group: AckGroup, nextRequestId: () => number): AckPacket[] {
    const flat = group.ranges.toArray()
    const packets: AckPacket[] = []
    for (let at = 0; at < flat.length; at += 2 * ACK_RANGES_MAX) {
      const isLast = at + 2 * ACK_RANGES_MAX >= flat.length
      if (isLast) group.requestId = nextRequestId()
      const ranges = flat.slice(at, at + 2 * ACK_RANGES_MAX)
      packets.push({ type: PacketType.ACK, requestId: isLast ? group.requestId : 0, subscriptionId: this.id, ranges })
    }
    return packets
  }

  #markOutstanding(records: DeliveredRecords, first: Offset, last: Offset): void {
    if (last - first + 1 === records.count) {
      this.#outstanding.add(first, last + 1)
      return
    }
    for (let i = 0; i < records.count; i++) {
      const offset = records.offsetAt(i)
      this.#outstanding.add(offset, offset + 1)
    }
  }
}
