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
import { DeliveryQueue } from './delivery-queue.js'
import { UNACKED_RANGES_MAX } from './limits.js'

/** What a subscription asks for. */
export interface SubscriptionRequest {
  readonly filters: readonly string[]
  readonly qos: 0 | 1 | 2
  /** Name of a durable subscription; null for one that ends with the client. */
  readonly name: string | null
  readonly from: StartPosition
  /** Whether the retained messages from below the start come first. */
  readonly retained: boolean
  readonly prefetchMessages: number
  readonly prefetchBytes: number
  /** Ends when what was stored at the start has been handed out. */
  readonly untilEnd: boolean
  /** Whether its acknowledgements may gather for {@link ACKS_GATHER_MS}: nobody waits for one. */
  readonly gathersAcks: boolean
}

/** Told when there is something to do for the one who iterates. */
export interface SubscriptionListener {
  /** Something waits behind {@link SubscriptionState.advance}, or the subscription has ended. */
  handleReadable(): void
  /** Everything stored below `offset` was delivered. */
  handleTail(offset: Offset): void
  /** So many records may still come before everything is handed out that is stored now; told when it changed. */
  handleLag(lagRecords: number): void
  /** Retention removed what stood from `from` on and below `to` before it was delivered; the subscription goes on at `to`. */
  handleMissed(from: Offset, to: Offset): void
}

/**
 * One subscription over all its connections: what was delivered, what is acknowledged, what the broker may still send.
 *
 * Credit: granted at the broker + waiting in the queue + consumed and not yet given back = the prefetch. A connection that begins with a full
 * queue has one message more: without it nothing could come again, no acknowledgement be answered, and nobody who waits for one go on.
 *
 * Within a connection offsets ascend, and a new connection begins with what is not acknowledged. So an offset below the end of what was
 * delivered is a repetition: it is dropped, and acknowledged again if the application has acknowledged it.
 */
export class SubscriptionState {
  /** Its number on every connection. */
  readonly id: number
  readonly request: SubscriptionRequest
  readonly #listener: SubscriptionListener
  readonly #onDirty: (subscription: SubscriptionState) => void
  readonly #queue = new DeliveryQueue()
  /** Delivered in this process and not acknowledged by the application; only if {@link keepsAcks}. */
  readonly #unacked = new OffsetRanges()
  /** The end of what was delivered in this process. */
  #deliveredTo = 0
  /** Nothing below it is missing: where a broker that does not know the subscription starts it. Undefined before the first SUBACK. */
  #resumeOffset: Offset | undefined
  /** Where the subscription began; undefined before the first SUBACK, and for one that the broker knew already. */
  #startOffset: Offset | undefined
  #tailOffset: Offset | undefined
  #openAcks: AckGroup | null = null
  readonly #sentAcks: AckGroup[] = []
  #isDirty = false
  /** Whether what came again was dropped and its credit is not given back yet. */
  #hasRepeated = false
  /** Whether everything below the start was delivered. */
  #isPastStart = false
  #isLeaving = false
  #lagRecords = 0
  /** The listener was told of everything that was missed below. */
  #missedTo = 0
  #end: GomqError | null | undefined

  /** @param onDirty  called when {@link takeAcks} or {@link takeCredit} have something, once until both were called */
  constructor(
    id: number,
    request: SubscriptionRequest,
    listener: SubscriptionListener,
    onDirty: (subscription: SubscriptionState) => void = () => {},
  ) {
    this.id = id
    this.request = request
    this.#listener = listener
    this.#onDirty = onDirty
  }

  /** Undefined while it goes on, null after a normal end, else why it ended. */
  get end(): GomqError | null | undefined {
    return this.#end
  }

  /** Whether nothing more is handed out: it ended, or is about to. */
  get isOver(): boolean {
    return this.#end !== undefined || this.#isLeaving
  }

  /** Whether the broker keeps acknowledgements of this subscription. */
  get keepsAcks(): boolean {
    return this.request.name !== null && this.request.qos > 0
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

  /** Whether acknowledgements wait to be sent, and may wait for more. */
  get isGathering(): boolean {
    return this.request.gathersAcks && !this.isOver && this.#openAcks !== null
  }

  /** Whether {@link takeAcks} or {@link takeCredit} have something. */
  get isDirty(): boolean {
    return this.#isDirty
  }

  /** Ranges of offsets that the application has not acknowledged. */
  get unackedRanges(): number {
    return this.#unacked.count
  }

  /** The packet that opens the subscription on a new connection, from where it is now. */
  subscribePacket(requestId: number): SubscribePacket {
    const { filters, qos, name, prefetchMessages, prefetchBytes } = this.request
    this.#queue.resetConsumed()
    this.#hasRepeated = false
    // What comes again takes no room, and the broker answers an acknowledgement once it has passed the message.
    const creditMin = this.keepsAcks && !this.#unacked.isEmpty ? 1 : 0
    return {
      type: PacketType.SUBSCRIBE,
      requestId,
      subscriptionId: this.id,
      filters: [...filters],
      qos,
      name,
      // A broker that knows a durable subscription goes on from its own cursor.
      from: this.#resumeOffset === undefined ? this.request.from : { kind: 'offset', offset: this.#resumeOffset },
      creditMessages: Math.max(creditMin, prefetchMessages - this.#queue.messages),
      creditBytes: Math.max(creditMin, prefetchBytes - this.#queue.bytes),
      // The retained messages are there once anything from the start on is; until then all are asked for again.
      retained: this.request.retained && !this.#isPastStart,
    }
  }

  /** Whether a message at `offset` was retained from before the subscription. */
  isRetained(offset: Offset): boolean {
    return offset !== NO_OFFSET && this.#startOffset !== undefined && offset < this.#startOffset
  }

  /** The subscription stands on the present connection. */
  handleSuback(packet: SubackPacket): void {
    if (this.#resumeOffset !== undefined) return
    this.#resumeOffset = packet.startOffset
    if (!packet.resumed) this.#startOffset = packet.startOffset
  }

  /** Records came. After the end, and after the tail of one that reads until the end: ignored. */
  handleDeliver(records: DeliveredRecords): void {
    if (this.isOver || records.count === 0 || (this.request.untilEnd && this.#tailOffset !== undefined)) return
    const { count } = records
    if (records.offsetAt(0) === NO_OFFSET) this.#queue.push(records, 0)
    else {
      const start = this.#dropRepeated(records)
      if (start > 0) this.#hasRepeated = true
      this.#queue.push(records, start)
      if (start < count) {
        const last = records.offsetAt(count - 1)
        if (this.keepsAcks) this.#markUnacked(records, start, last)
        this.#deliveredTo = last + 1
        if (this.#resumeOffset === undefined || last >= this.#resumeOffset) {
          this.#resumeOffset = (last + 1) as Offset
          this.#isPastStart = true
        }
      }
      this.#checkDirty()
    }
    this.#listener.handleReadable()
  }

  /** Everything stored below `offset` was delivered. After the end: ignored. */
  handleTail(offset: Offset): void {
    if (this.isOver) return
    this.#tailOffset = offset
    this.#isPastStart = true
    if (this.#resumeOffset === undefined || offset > this.#resumeOffset) this.#resumeOffset = offset
    this.#listener.handleTail(offset)
    this.#listener.handleReadable()
  }

  /** What stands in the log between the two was not delivered yet, if it is for this subscription at all. After the end: ignored. */
  handleLag(position: Offset, highWatermark: Offset): void {
    if (this.isOver) return
    const lagRecords = Math.max(0, highWatermark - position) + this.#queue.messages
    if (lagRecords === this.#lagRecords) return
    this.#lagRecords = lagRecords
    this.#listener.handleLag(lagRecords)
  }

  /**
   * Retention removed what stood between the two; it may have held messages for this subscription. What was delivered in this process was not
   * missed, nor is what was told before told again. After the end: ignored.
   */
  handleMissed(from: Offset, to: Offset): void {
    if (this.isOver || (this.request.untilEnd && this.#tailOffset !== undefined)) return
    if (this.#resumeOffset === undefined || to > this.#resumeOffset) {
      this.#resumeOffset = to
      this.#isPastStart = true
    }
    const missedFrom = Math.max(from, this.#deliveredTo, this.#missedTo) as Offset
    if (missedFrom >= to) return
    this.#missedTo = to
    this.#listener.handleMissed(missedFrom, to)
  }

  /** Moves to the next message for the application: the one at {@link index} of {@link records}. False: none waits. */
  advance(): boolean {
    if (this.isOver || !this.#queue.advance()) return false
    if (!this.#isDirty) this.#checkDirty()
    return true
  }

  /** Where {@link advance} stopped. */
  get records(): DeliveredRecords {
    return this.#queue.records
  }

  /** Where {@link advance} stopped. */
  get index(): number {
    return this.#queue.index
  }

  /** The credit to give back, once half of the prefetch is consumed; at once for what came again: behind it the broker may have more of it. */
  takeCredit(): CreditPacket | undefined {
    if (!this.#hasCredit) return undefined
    const { consumedMessages: messages, consumedBytes: bytes } = this.#queue
    this.#queue.resetConsumed()
    this.#hasRepeated = false
    return { type: PacketType.CREDIT, subscriptionId: this.id, messages, bytes }
  }

  /**
   * Takes an acknowledgement of a message that was handed out and not acknowledged yet.
   * @returns  undefined: nobody keeps it, or the subscription has ended
   */
  ack(offset: Offset): AckGroup | undefined {
    if (this.#end !== undefined || offset === NO_OFFSET || !this.keepsAcks) return undefined
    this.#unacked.remove(offset, offset + 1)
    return this.#openAck(offset)
  }

  /**
   * The acknowledgements that have accumulated, as packets; the last one asks for an answer, which covers all. One group is under way
   * at a time: what is acknowledged meanwhile goes together in the next.
   */
  takeAcks(nextRequestId: () => number): AckPacket[] {
    this.#isDirty = false
    const group = this.#openAcks
    if (group === null || this.#sentAcks.length > 0) return []
    this.#openAcks = null
    this.#sentAcks.push(group)
    return this.#packetsOf(group, nextRequestId)
  }

  /** What was sent on a connection that is gone and not answered, to be sent again. */
  repeatAcks(nextRequestId: () => number): AckPacket[] {
    return this.#sentAcks.flatMap((group) => this.#packetsOf(group, nextRequestId))
  }

  /** An answer to {@link takeAcks}: null for ACKED. Unknown ids are ignored. */
  handleAckAnswer(requestId: number, error: GomqError | null): void {
    const at = this.#sentAcks.findIndex((group) => group.requestId === requestId)
    if (at < 0) return
    const group = this.#sentAcks.splice(at, 1)[0]!
    if (error !== null) {
      const flat = group.ranges.toArray()
      for (let i = 0; i < flat.length; i += 2) this.#unacked.add(flat[i]!, flat[i + 1]!)
    }
    group.settle(error)
    this.#checkDirty()
  }

  /** Hands out nothing more; acknowledgements are still taken. Again: nothing. */
  leave(): void {
    if (this.isOver) return
    this.#isLeaving = true
    this.#queue.clear()
    this.#listener.handleReadable()
  }

  /** Ends the subscription: null for a normal end. Acknowledgements that are not answered fail with `unacked`. Again: nothing. */
  finish(error: GomqError | null, unacked: GomqError): void {
    if (this.#end !== undefined) return
    this.#end = error
    this.#queue.clear()
    this.#unacked.clear()
    const groups = this.#openAcks === null ? this.#sentAcks.splice(0) : [...this.#sentAcks.splice(0), this.#openAcks]
    this.#openAcks = null
    for (const group of groups) group.settle(unacked)
    this.#listener.handleReadable()
  }

  get #hasCredit(): boolean {
    const { consumedMessages, consumedBytes } = this.#queue
    const { prefetchMessages, prefetchBytes, untilEnd } = this.request
    const isHalf = consumedMessages * 2 >= prefetchMessages || consumedBytes * 2 >= prefetchBytes
    if (!isHalf && !this.#hasRepeated) return false
    return !this.isOver && !(untilEnd && this.#tailOffset !== undefined) && this.#unacked.count <= UNACKED_RANGES_MAX
  }

  #checkDirty(): void {
    if (this.#isDirty || !((this.#openAcks !== null && this.#sentAcks.length === 0) || this.#hasCredit)) return
    this.#isDirty = true
    this.#onDirty(this)
  }

  #openAck(offset: Offset): AckGroup {
    if (this.#openAcks === null) {
      this.#openAcks = new AckGroup()
      this.#checkDirty()
    }
    this.#openAcks.ranges.add(offset, offset + 1)
    return this.#openAcks
  }

  /** Position of the first record that was not delivered before. What the application has acknowledged is acknowledged again. */
  #dropRepeated(records: DeliveredRecords): number {
    let start = 0
    for (; start < records.count; start++) {
      const offset = records.offsetAt(start)
      if (offset >= this.#deliveredTo) break
      if (this.keepsAcks && !this.#unacked.has(offset)) this.#openAck(offset)
    }
    return start
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

  #markUnacked(records: DeliveredRecords, start: number, last: Offset): void {
    const first = records.offsetAt(start)
    if (last - first + 1 === records.count - start) {
      this.#unacked.add(first, last + 1)
      return
    }
    for (let i = start; i < records.count; i++) {
      const offset = records.offsetAt(i)
      this.#unacked.add(offset, offset + 1)
    }
  }
}
