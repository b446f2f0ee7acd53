import {
  Attribute,
  BatchBuilder,
  type Crc32,
  type Deflate,
  type Epoch,
  type ErrorPacket,
  GomqError,
  type Inflate,
  NO_OFFSET,
  type Packet,
  PacketType,
  type ProducerId,
  type PubackPacket,
  type Random,
  randomIdentity,
  recordBytesBound,
  stampProducer,
} from '@gomq/protocol'
import { BatchQueue } from './batch-queue.js'
import { BATCH_RESTAMPS_MAX, IDLE_BUILDERS_BYTES_MAX, SMALL_BATCH_BYTES, SMALL_BATCHES_ROOM_SHARE } from './limits.js'
import { ParkedPublishes } from './parked-publishes.js'
import { type PublishAck, PublishBatch } from './publish-batch.js'
import type { PublishRequest } from './publish-request.js'
import { RoomWait } from './room-wait.js'
import type { Waiter } from './waiter.js'

/** What the producer needs from its session. */
export interface ProducerPort {
  readonly random: Random
  readonly crc32: Crc32
  /** Compresses batches while the broker takes them so; undefined: never. */
  readonly deflate?: Deflate | undefined
  readonly inflate?: Inflate | undefined
  /** Bytes of records that may be unsettled before publishes wait. */
  readonly bufferBytesMax: number
  nextRequestId(): number
  send(packet: Packet): void
  /** Whether the connection takes packets: established and not behind with its output. */
  isWritable(): boolean
}

/**
 * The idempotent producer of a client. Its sequence counts records over all topics; a batch keeps its bytes until it is answered,
 * so that after a reconnect the broker can tell a repetition from news.
 *
 * A refused batch leaves a hole in the sequence, and what was sent behind it comes back OUT_OF_SEQUENCE. The producer then waits
 * for the answers to all that is in flight, goes to the next producer epoch, and sends the survivors again from sequence 0.
 *
 * A batch that was refused because the broker's disk is full is a survivor too: it waits with those behind it, in order, and is sent again until
 * it is stored or its time is up. Then its publishes are rejected with DISK_FULL: it is surely not stored.
 */
export class Producer {
  readonly #port: ProducerPort
  #producerId: ProducerId
  #producerEpoch = 0
  #nextSequence = 0
  /** Not sent yet, in the order they were opened; the last one of a topic may be open. */
  readonly #queue = new BatchQueue()
  readonly #openByTopic = new Map<string, PublishBatch>()
  /** Sent and to be answered, in the order of sequences. */
  #inflight: PublishBatch[] = []
  readonly #parked = new ParkedPublishes()
  readonly #idleBuilders: BatchBuilder[] = []
  #idleBuildersBytes = 0
  #bufferedBytes = 0
  /** Bytes of what is in flight and waited for by nobody: a broker that is away keeps them for as long as it is, but no producer. */
  #timedOutBytes = 0
  #window = 1
  /** Set while the broker takes compressed batches. */
  #deflate: Deflate | undefined
  #isRecovering = false
  #needsNewIdentity = false
  readonly #room: RoomWait
  #paced: { readonly share: number; readonly waiter: Waiter<void> }[] = []
  readonly #hasRoom = (): boolean => this.#bufferedBytes < this.#port.bufferBytesMax

  constructor(port: ProducerPort) {
    this.#port = port
    this.#producerId = randomIdentity(port.random) as ProducerId
    this.#room = new RoomWait(port.random)
  }

  /** Bytes of records that are not settled, queued and in flight. */
  get bufferedBytes(): number {
    return this.#bufferedBytes
  }

  /** Batches sent and not answered. */
  get inflightCount(): number {
    return this.#inflight.length
  }

  /** Whether more batches wait to be sent than may be under way: they do not grow much while they do. */
  get isBacklogged(): boolean {
    return this.#queue.length > this.#window
  }

  /** Whether everything that was published is settled. */
  get isIdle(): boolean {
    return this.#queue.length === 0 && this.#parked.count === 0 && this.#inflight.every((batch) => batch.isSettled)
  }

  /**
   * Whether a producer that paces itself should go on: less than `share` of the buffer is unsettled (`ROOM_SHARE`, `BULK_ROOM_SHARE`), or what waits
   * to be sent is in so many small batches that they should grow first.
   */
  isRoomy(share: number): boolean {
    if (this.#parked.count > 0) return false
    const { bufferBytesMax } = this.#port
    const bytes = this.#bufferedBytes
    return (
      bytes < bufferBytesMax * share ||
      (bytes < this.#queue.length * SMALL_BATCH_BYTES && bytes < bufferBytesMax * SMALL_BATCHES_ROOM_SHARE) ||
      bytes - this.#timedOutBytes < bufferBytesMax * share
    )
  }

  /** Resolves `waiter` when there is room, see {@link isRoomy}; at once if there is. */
  waitForRoom(share: number, waiter: Waiter<void>): void {
    if (this.isRoomy(share)) waiter.resolve()
    else this.#paced.push({ share, waiter })
  }

  /**
   * Takes a message in, or parks it, first come first served, while the buffer is full. `waiter` gets the outcome.
   * @returns whether {@link flush} should be called soon
   */
  publish(request: PublishRequest, waiter: Waiter<PublishAck>, nowMs: number): boolean {
    if (this.#parked.count > 0 || this.#bufferedBytes >= this.#port.bufferBytesMax) {
      if (this.#parked.isFull) {
        const message = `${this.#bufferedBytes} bytes are buffered and ${this.#parked.count} publishes of ${this.#parked.bytes} bytes wait for room; await publish or writable()`
        waiter.reject(new GomqError('BUFFER_FULL', message))
      } else this.#parked.add({ request, waiter, deadlineMs: nowMs + request.timeoutMs })
      return false
    }
    this.#add(request, request.timeoutMs, waiter, nowMs)
    return this.#inflight.length === 0 || (request.attributes & Attribute.QOS_MASK) === 0 || this.#queue.length > 1
  }

  /** Forgets a publish that waits for room. False: it is on its way or settled. */
  cancel(waiter: Waiter<PublishAck>): boolean {
    const isRemoved = this.#parked.remove(waiter)
    // Who waits for room may have waited for this one.
    if (isRemoved) this.#admit()
    return isRemoved
  }

  /** Sends what has accumulated, as far as the window and the connection allow. */
  flush(): void {
    this.#recoverIfAnswered()
    if (this.#isRecovering) return
    if (this.#room.retryAtMs !== undefined) this.#sendUnlogged()
    while (this.#queue.length > 0 && this.#port.isWritable() && this.#room.retryAtMs === undefined) {
      const batch = this.#queue.first!
      if (!batch.isUnlogged && this.#inflight.length >= (this.#room.refusal === undefined ? this.#window : 1)) return
      this.#queue.shift()
      this.#sendNew(batch)
    }
    this.#admit()
  }

  /**
   * A connection stands: all that was not answered goes out again, with the same bytes and in order.
   * @param takesDeflate  whether the broker takes compressed batches; if not, what was compressed for another goes out uncompressed, which is
   *                      the same batch to both: its sequence stays
   */
  handleConnected(inflightBatchesMax: number, takesDeflate: boolean = false): void {
    this.#window = inflightBatchesMax
    const { deflate, inflate, crc32 } = this.#port
    this.#deflate = takesDeflate ? deflate : undefined
    if (!takesDeflate && inflate !== undefined)
      for (const batch of [...this.#inflight, ...this.#queue]) batch.decompress(inflate, crc32)
    for (const batch of this.#inflight) if (!batch.isSurvivor) this.#send(batch)
    this.#recoverIfAnswered()
    this.flush()
  }

  /** The batch is safe. Answers to batches that are not in flight are ignored. */
  handlePuback(packet: PubackPacket): void {
    const batch = this.#takeInflight(packet.requestId)
    if (batch === undefined) return
    this.#release(batch)
    // In a broken sequence it was sent before the refusal, and acknowledged late, by its sync: it says nothing of room.
    if (!this.#isRecovering) this.#room.handleStored()
    batch.resolve(packet.baseOffset, packet.epoch, packet.durability)
    this.#recoverIfAnswered()
  }

  /** A batch was refused. False if the packet answers no batch. */
  handleRefused(packet: ErrorPacket, nowMs: number): boolean {
    const batch = this.#inflight.find((each) => each.requestId === packet.requestId)
    if (batch === undefined) return false
    this.#isRecovering = true
    // A broker that has stored nothing of this producer cannot know that the batch before was refused. What was sent once is not stored, nor is what
    // stands behind one that is not.
    const isBehindSurvivor = this.#inflight.find((each) => each.isSurvivor || each === batch) !== batch
    const isBehindRefused =
      packet.code === 'OUT_OF_SEQUENCE' ||
      (packet.code === 'OUTCOME_UNKNOWN' && (batch.sends === 1 || isBehindSurvivor))
    if (packet.code === 'DISK_FULL') {
      this.#room.handleRefused(new GomqError(packet.code, packet.message), nowMs)
      batch.isSurvivor = true
    } else if (isBehindRefused && batch.restamps < BATCH_RESTAMPS_MAX) batch.isSurvivor = true
    else {
      if (packet.code === 'PRODUCER_FENCED') this.#needsNewIdentity = true
      this.#takeInflight(packet.requestId)
      this.#release(batch)
      batch.reject(new GomqError(packet.code, packet.message))
    }
    this.#recoverIfAnswered()
    return true
  }

  /** Rejects what is past its deadline. A batch that was sent stays in the sequence; only its publishers stop waiting. */
  handleTick(nowMs: number): void {
    const isTimeToRetry = this.#room.handleTick(nowMs)
    for (const batch of this.#inflight) {
      if (nowMs < batch.deadlineMs || batch.isSettled) continue
      this.#timedOutBytes += batch.recordsBytes
      this.#timeOut(batch, !batch.isSurvivor)
    }
    for (const batch of this.#queue.take((each) => nowMs >= each.deadlineMs)) {
      this.#seal(batch)
      this.#release(batch)
      this.#timeOut(batch, false)
    }
    for (const { waiter, request } of this.#parked.takeLate(nowMs))
      waiter.reject(this.#room.refusal ?? timeoutError(request.timeoutMs))
    if (isTimeToRetry) this.flush()
    else this.#admit()
  }

  /** The earliest deadline of a publish, undefined if none is pending. */
  nextDeadlineMs(): number | undefined {
    let earliest = this.#parked.nextDeadlineMs()
    const consider = (deadlineMs: number) => {
      if (earliest === undefined || deadlineMs < earliest) earliest = deadlineMs
    }
    for (const batch of this.#inflight) if (!batch.isSettled) consider(batch.deadlineMs)
    for (const batch of this.#queue) consider(batch.deadlineMs)
    if (this.#room.retryAtMs !== undefined && !this.isIdle) consider(this.#room.retryAtMs)
    return earliest
  }

  /** Rejects everything with `error` and forgets it. */
  abandon(error: GomqError): void {
    const batches = [...this.#inflight, ...this.#queue.takeAll()]
    const parked = this.#parked.takeAll()
    this.#inflight = []
    this.#openByTopic.clear()
    this.#bufferedBytes = 0
    this.#timedOutBytes = 0
    for (const batch of batches) batch.reject(error)
    for (const { waiter } of parked) waiter.reject(error)
    for (const { waiter } of this.#paced.splice(0)) waiter.reject(error)
  }

  #add(request: PublishRequest, timeoutMs: number, waiter: Waiter<PublishAck>, nowMs: number): void {
    let batch = this.#openByTopic.get(request.topic)
    if (batch === undefined || !batch.takes(request, timeoutMs, recordBytesBound(request), nowMs)) {
      // The one before goes first, so that messages of a topic keep their order whatever their attributes.
      if (batch !== undefined) this.#seal(batch)
      batch = new PublishBatch(this.#builderFor(request), timeoutMs, nowMs)
      this.#queue.push(batch)
      this.#openByTopic.set(request.topic, batch)
    }
    this.#bufferedBytes += batch.append(request, waiter)
  }

  #builderFor({ topic, attributes, ttlMs }: PublishRequest): BatchBuilder {
    const builder = this.#idleBuilders.pop()
    if (builder === undefined) return new BatchBuilder(topic, attributes, ttlMs)
    this.#idleBuildersBytes -= builder.bufferBytes
    builder.begin(topic, attributes, ttlMs)
    return builder
  }

  #seal(batch: PublishBatch): void {
    const builder = batch.seal(this.#deflate)
    if (builder === null) return
    if (this.#openByTopic.get(builder.topic) === batch) this.#openByTopic.delete(builder.topic)
    if (this.#idleBuildersBytes >= IDLE_BUILDERS_BYTES_MAX) return
    this.#idleBuilders.push(builder)
    this.#idleBuildersBytes += builder.bufferBytes
  }

  /** Sends a batch for the first time, or for the first time under this producer epoch. */
  #sendNew(batch: PublishBatch): void {
    this.#seal(batch)
    if (batch.isUnlogged) {
      stampProducer(batch.bytes, { producerId: 0 as ProducerId, producerEpoch: 0, firstSequence: 0 }, this.#port.crc32)
      this.#port.send({ type: PacketType.PUBLISH, requestId: 0, batch: batch.bytes })
      this.#release(batch)
      batch.resolve(NO_OFFSET, 0 as Epoch, 'written')
    } else {
      this.#inflight.push(batch)
      this.#stampAndSend(batch)
    }
  }

  /** What the broker does not store needs no room there: it goes past those that wait for some. */
  #sendUnlogged(): void {
    if (!this.#port.isWritable()) return
    for (const batch of this.#queue.take((each) => each.isUnlogged)) this.#sendNew(batch)
  }

  #stampAndSend(batch: PublishBatch): void {
    batch.requestId = this.#port.nextRequestId()
    batch.firstSequence = this.#nextSequence
    this.#nextSequence = (this.#nextSequence + batch.recordCount) >>> 0
    const stamp = {
      producerId: this.#producerId,
      producerEpoch: this.#producerEpoch,
      firstSequence: batch.firstSequence,
    }
    stampProducer(batch.bytes, stamp, this.#port.crc32)
    batch.sends = 0
    this.#send(batch)
  }

  #send(batch: PublishBatch): void {
    batch.sends++
    this.#port.send({ type: PacketType.PUBLISH, requestId: batch.requestId, batch: batch.bytes })
  }

  #takeInflight(requestId: number): PublishBatch | undefined {
    const at = this.#inflight.findIndex((batch) => batch.requestId === requestId && !batch.isSurvivor)
    return at < 0 ? undefined : this.#inflight.splice(at, 1)[0]
  }

  /** Before its publishes are settled, if they are not yet. */
  #release(batch: PublishBatch): void {
    this.#bufferedBytes -= batch.recordsBytes
    if (batch.isSettled) this.#timedOutBytes -= batch.recordsBytes
    this.#admit()
  }

  /** Lets waiting publishes in, in order, as far as there is room. */
  #admit(): void {
    this.#parked.admit(this.#hasRoom, ({ request, waiter, deadlineMs }) => {
      // A deadline of its own: what has waited joins only what waited as long.
      this.#add(request, request.timeoutMs, waiter, deadlineMs - request.timeoutMs)
    })
    if (this.#paced.length === 0) return
    const ready = this.#paced.filter(({ share }) => this.isRoomy(share))
    if (ready.length === 0) return
    this.#paced = this.#paced.filter((each) => !ready.includes(each))
    for (const { waiter } of ready) waiter.resolve()
  }

  /** With the last answer of a broken sequence, starts a new one with those that were surely not stored. */
  #recoverIfAnswered(): void {
    if (!this.#isRecovering || !this.#port.isWritable()) return
    if (this.#inflight.some((batch) => !batch.isSurvivor)) return
    this.#isRecovering = false
    this.#nextSequence = 0
    if (this.#producerEpoch === 0xffff || this.#needsNewIdentity) {
      this.#producerId = randomIdentity(this.#port.random) as ProducerId
      this.#producerEpoch = 0
      this.#needsNewIdentity = false
    } else this.#producerEpoch++
    const survivors = this.#inflight
    this.#inflight = []
    // Nobody waits and it is not stored: it need not be.
    for (const batch of survivors) if (batch.isSettled) this.#release(batch)
    const waited = survivors.filter((batch) => !batch.isSettled)
    for (const batch of waited) batch.isSurvivor = false
    if (this.#room.refusal !== undefined) this.#queue.unshift(waited)
    else
      for (const batch of waited) {
        batch.restamps++
        this.#inflight.push(batch)
        this.#stampAndSend(batch)
      }
  }

  /** @param isUnknown  it may be stored, for all that is known */
  #timeOut(batch: PublishBatch, isUnknown: boolean): void {
    batch.reject((isUnknown ? undefined : this.#room.refusal) ?? timeoutError(batch.timeoutMs))
  }
}

function timeoutError(timeoutMs: number): GomqError {
  return new GomqError(
    'TIMEOUT',
    `the publish was not acknowledged within ${timeoutMs} ms; it may be stored all the same`,
  )
}
