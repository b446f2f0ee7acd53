import {
  Attribute,
  type BatchBuilder,
  type Crc32,
  type Deflate,
  type Durability,
  deflatedBatch,
  type Epoch,
  type GomqError,
  type Inflate,
  inflatedBatch,
  NO_OFFSET,
  type Offset,
  type RecordInput,
} from '@gomq/protocol'
import { BATCH_BYTES_MAX, BATCH_OPEN_SHARE, BATCH_RECORDS_MAX } from './limits.js'
import type { Waiter } from './waiter.js'

/** Where a message was stored and how safe it is. */
export interface PublishAck {
  /** -1: in no log (QoS 0 without retain), or stored so long ago that the broker cannot tell. */
  readonly offset: Offset
  readonly epoch: Epoch
  readonly durability: Durability
}

/** What holds for all records of a batch. */
export interface BatchProperties {
  readonly attributes: number
  readonly ttlMs: number
}

/** The checksum is made when the batch is stamped, just before it is sent. */
const noCrc = () => 0

/** Records of one topic on their way to the broker, with those who wait for them. */
export class PublishBatch {
  readonly attributes: number
  readonly ttlMs: number
  readonly timeoutMs: number
  /** When its publishes are rejected with TIMEOUT. */
  readonly deadlineMs: number
  /** 0 until it is sent. */
  requestId = 0
  firstSequence = 0
  recordCount = 0
  /** Bytes of the records, as the buffer counts them. */
  recordsBytes = 0
  /** Answered with OUT_OF_SEQUENCE: surely not stored, to be sent again under the next producer epoch. */
  isSurvivor = false
  /** Times that it went to another producer epoch. */
  restamps = 0
  /** Times that it was sent with its present sequence: after the first, an answer may have been lost. */
  sends = 0
  readonly #openedMs: number
  #builder: BatchBuilder | null
  #bytes: Uint8Array | null = null
  #waiters: Waiter<PublishAck>[] = []

  constructor(builder: BatchBuilder, timeoutMs: number, nowMs: number) {
    this.#builder = builder
    this.attributes = builder.attributes
    this.ttlMs = builder.ttlMs
    this.timeoutMs = timeoutMs
    this.deadlineMs = nowMs + timeoutMs
    this.#openedMs = nowMs
  }

  /** QoS 0 without retain: sent once, never answered. */
  get isUnlogged(): boolean {
    return (this.attributes & (Attribute.QOS_MASK | Attribute.RETAIN)) === 0
  }

  /** Whether nobody waits any more. */
  get isSettled(): boolean {
    return this.#waiters.length === 0
  }

  /** Whether a record of at most `bytes` bytes with these properties belongs in here. */
  takes(record: BatchProperties, timeoutMs: number, bytes: number, nowMs: number): boolean {
    const builder = this.#builder
    const { attributes } = record
    return (
      builder !== null &&
      attributes === this.attributes &&
      record.ttlMs === this.ttlMs &&
      timeoutMs === this.timeoutMs &&
      (attributes & Attribute.RETAIN) === 0 &&
      this.recordCount < BATCH_RECORDS_MAX &&
      builder.byteLength + bytes <= BATCH_BYTES_MAX &&
      nowMs - this.#openedMs <= timeoutMs * BATCH_OPEN_SHARE
    )
  }

  /** Adds a record, made `timestampMs - opened` relative, and returns its bytes. */
  append(
    record: RecordInput & { readonly timestampMs: number; timestampDeltaMs: number },
    waiter: Waiter<PublishAck>,
  ): number {
    record.timestampDeltaMs = record.timestampMs - this.#openedMs
    const bytes = this.#builder!.append(record)
    this.recordCount++
    this.recordsBytes += bytes
    this.#waiters.push(waiter)
    return bytes
  }

  /**
   * Closes the batch to further records. Gives its builder back, or null when it was sealed before.
   * @param deflate  compresses the batch, where that gains something; undefined: it stays as it is
   */
  seal(deflate?: Deflate): BatchBuilder | null {
    const builder = this.#builder
    if (builder === null) return null
    this.#builder = null
    const bytes = builder.finish(
      { baseTimestampMs: this.#openedMs, producerId: 0 as never, producerEpoch: 0, firstSequence: 0 },
      noCrc,
    )
    this.#bytes = deflate === undefined ? bytes : deflatedBatch(bytes, deflate, noCrc)
    return builder
  }

  /** Undoes the compression of a sealed batch; it keeps its sequence. Again, or before it is sealed: nothing. */
  decompress(inflate: Inflate, crc32: Crc32): void {
    if (this.#bytes !== null) this.#bytes = inflatedBatch(this.#bytes, inflate, crc32)
  }

  /** The sealed batch. */
  get bytes(): Uint8Array {
    return this.#bytes!
  }

  /** Settles all publishes of the batch. Again: nothing. */
  resolve(baseOffset: Offset, epoch: Epoch, durability: Durability): void {
    const waiters = this.#take()
    for (let i = 0; i < waiters.length; i++) {
      const offset = baseOffset === NO_OFFSET ? NO_OFFSET : ((baseOffset + i) as Offset)
      waiters[i]!.resolve({ offset, epoch, durability })
    }
  }

  /** Rejects all publishes of the batch. Again: nothing. */
  reject(error: GomqError): void {
    for (const waiter of this.#take()) waiter.reject(error)
  }

  #take(): Waiter<PublishAck>[] {
    const waiters = this.#waiters
    this.#waiters = []
    return waiters
  }
}
