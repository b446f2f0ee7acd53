import { writeU32 } from '../bytes.js'
import type { Crc32 } from '../crc32.js'
import { invariant } from '../errors.js'
import { BATCH_RECORDS_MAX, TOPIC_BYTES_MAX } from '../limits.js'
import type { ProducerId } from '../numbers.js'
import { encodeUtf8 } from '../utf8.js'
import { Attribute, HEADER_BYTES, stampProducer, writeHeaderStart } from './header.js'
import type { RecordInput } from './record.js'
import { recordBytesBound, writeRecord } from './record-writer.js'

const INITIAL_BYTES = 1024
const INITIAL_RECORDS = 16

/** A buffer above this size is given back after its batch, so that one large message does not stay in memory for ever. */
const KEPT_BYTES_MAX = 1024 * 1024

/**
 * Packs records of one topic into a batch. Used again after {@link finish}: its buffers grow to the size that is needed and,
 * up to 1 MiB, stay.
 *
 *     const builder = new BatchBuilder('orders/eu', 1)
 *     builder.append({ timestampDeltaMs: 0, key: null, value: 'hello', headers: null })
 *     const batch = builder.finish({ baseTimestampMs: nowMs, producerId, producerEpoch: 0, firstSequence: 0 }, crc32)
 */
export class BatchBuilder {
  #topic = ''
  #attributes = 0
  #ttlMs = 0
  #topicUtf8: Uint8Array = new Uint8Array(0)
  #records = new Uint8Array(INITIAL_BYTES)
  #recordsBytes = 0
  #ends = new Uint32Array(INITIAL_RECORDS)
  #count = 0

  /**
   * @param topic       a valid topic name; empty for a control batch
   * @param attributes  bits of {@link Attribute}, for all records; EXPIRING comes from `ttlMs`
   * @param ttlMs       milliseconds after the append at which the records are no longer delivered; 0: never
   */
  constructor(topic: string, attributes: number, ttlMs: number = 0) {
    this.begin(topic, attributes, ttlMs)
  }

  /** What the next batch is about, as in the constructor. Only while the builder is empty. */
  begin(topic: string, attributes: number, ttlMs: number = 0): void {
    invariant(this.#count === 0, `a batch of ${this.#count} records is begun already; finish it first`)
    invariant(Number.isSafeInteger(ttlMs) && ttlMs >= 0, `the time to live ${ttlMs} is no whole number of ms from 0`)
    this.#attributes = ttlMs > 0 ? attributes | Attribute.EXPIRING : attributes
    this.#ttlMs = ttlMs
    if (topic === this.#topic) return
    this.#topic = topic
    this.#topicUtf8 = encodeUtf8(topic)
    invariant(this.#topicUtf8.byteLength <= TOPIC_BYTES_MAX, `a topic has at most ${TOPIC_BYTES_MAX} bytes`)
  }

  get topic(): string {
    return this.#topic
  }

  /** Bits of {@link Attribute}. */
  get attributes(): number {
    return this.#attributes
  }

  /** Milliseconds after the append; 0: the records do not expire. */
  get ttlMs(): number {
    return this.#ttlMs
  }

  /** Records so far. */
  get recordCount(): number {
    return this.#count
  }

  /** Bytes that the batch would have if it were finished now. */
  get byteLength(): number {
    return HEADER_BYTES + this.#topicUtf8.byteLength + 4 * this.#count + this.#recordsBytes
  }

  /** Bytes of the buffers that it holds; they change with {@link append} and {@link finish} only. */
  get bufferBytes(): number {
    return this.#records.byteLength + this.#ends.byteLength
  }

  /** Adds a record and returns its bytes. At most 65,536 records fit. */
  append(record: RecordInput): number {
    invariant(this.#count < BATCH_RECORDS_MAX, `a batch holds at most ${BATCH_RECORDS_MAX} records`)
    const needed = this.#recordsBytes + recordBytesBound(record)
    if (needed > this.#records.byteLength) this.#growRecords(needed)
    if (this.#count === this.#ends.length) this.#growEnds()
    const start = this.#recordsBytes
    this.#recordsBytes = writeRecord(this.#records, start, record)
    this.#ends[this.#count++] = this.#recordsBytes
    return this.#recordsBytes - start
  }

  /** The batch with its producer's fields and body checksum, in memory of its own; the builder is empty afterwards. */
  finish(
    producer: { baseTimestampMs: number; producerId: ProducerId; producerEpoch: number; firstSequence: number },
    crc32: Crc32,
  ): Uint8Array {
    invariant(this.#count > 0, 'a batch holds at least one record')
    invariant(producer.baseTimestampMs >= 0, `the base timestamp ${producer.baseTimestampMs} is before 1970`)
    const batch = new Uint8Array(this.byteLength)
    writeHeaderStart(batch, {
      batchBytes: batch.byteLength,
      topicBytes: this.#topicUtf8.byteLength,
      attributes: this.#attributes,
      recordCount: this.#count,
      baseTimestampMs: producer.baseTimestampMs,
      ttlMs: this.#ttlMs,
    })
    batch.set(this.#topicUtf8, HEADER_BYTES)
    let at = HEADER_BYTES + this.#topicUtf8.byteLength
    for (let i = 0; i < this.#count; i++, at += 4) writeU32(batch, at, this.#ends[i]!)
    batch.set(this.#records.subarray(0, this.#recordsBytes), at)
    stampProducer(batch, producer, crc32)
    this.#count = 0
    this.#recordsBytes = 0
    if (this.#records.byteLength > KEPT_BYTES_MAX) this.#records = new Uint8Array(INITIAL_BYTES)
    return batch
  }

  #growRecords(needed: number): void {
    const grown = new Uint8Array(Math.max(needed, this.#records.byteLength * 2))
    grown.set(this.#records.subarray(0, this.#recordsBytes))
    this.#records = grown
  }

  #growEnds(): void {
    const grown = new Uint32Array(this.#ends.length * 2)
    grown.set(this.#ends)
    this.#ends = grown
  }
}
