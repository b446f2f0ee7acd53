import { readU32, writeU32 } from '../bytes.js'
import type { Crc32 } from '../crc32.js'
import { invariant } from '../errors.js'
import { BATCH_RECORDS_MAX, TOPIC_BYTES_MAX } from '../limits.js'
import type { ProducerId } from '../numbers.js'
import { encodeUtf8 } from '../utf8.js'
import { Attribute, HEADER_BYTES, stampProducer, writeHeaderStart } from './header.js'
import type { RecordInput } from './record.js'
import { recordBytesBound, writeRecord } from './record-writer.js'

const INITIAL_BYTES = 1024

/** Bytes of an entry of the table of record ends. */
const END_BYTES = 4

/** A buffer above this size is given back after its batch, so that one large message does not stay in memory for ever. */
const KEPT_BYTES_MAX = 1024 * 1024

/**
 * Packs records of one topic into a batch. Used again after {@link finish}: its buffer grows to the size that is needed and,
 * up to 1 MiB, stays.
 *
 * Records fill the buffer from its start and their ends from its end, last one first: with thousands of builders what is added to one is in no
 * cache, and each buffer more would be fetched as well.
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
  /** Bytes before the table: header and topic. */
  #headBytes = HEADER_BYTES
  #buffer = new Uint8Array(INITIAL_BYTES)
  #bufferBytes = INITIAL_BYTES
  #recordsBytes = 0
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
    this.#headBytes = HEADER_BYTES + this.#topicUtf8.byteLength
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
    return this.#headBytes + END_BYTES * this.#count + this.#recordsBytes
  }

  /** Bytes of the buffer that it holds; they change with {@link append} and {@link finish} only. */
  get bufferBytes(): number {
    return this.#bufferBytes
  }

  /** Adds a record and returns its bytes. At most 65,536 records fit. */
  append(record: RecordInput): number {
    invariant(this.#count < BATCH_RECORDS_MAX, `a batch holds at most ${BATCH_RECORDS_MAX} records`)
    const start = this.#recordsBytes
    const needed = start + recordBytesBound(record) + END_BYTES * (this.#count + 1)
    if (needed > this.#bufferBytes) this.#grow(needed)
    this.#recordsBytes = writeRecord(this.#buffer, start, record)
    this.#count++
    writeU32(this.#buffer, this.#bufferBytes - END_BYTES * this.#count, this.#recordsBytes)
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
    let at = this.#headBytes
    for (let i = 1; i <= this.#count; i++, at += END_BYTES)
      writeU32(batch, at, readU32(this.#buffer, this.#bufferBytes - END_BYTES * i))
    batch.set(this.#buffer.subarray(0, this.#recordsBytes), at)
    stampProducer(batch, producer, crc32)
    this.#count = 0
    this.#recordsBytes = 0
    if (this.#bufferBytes > KEPT_BYTES_MAX) {
      this.#buffer = new Uint8Array(INITIAL_BYTES)
      this.#bufferBytes = INITIAL_BYTES
    }
    return batch
  }

  #grow(needed: number): void {
    const grown = new Uint8Array(Math.max(needed, this.#bufferBytes * 2))
    const endsBytes = END_BYTES * this.#count
    grown.set(this.#buffer.subarray(0, this.#recordsBytes))
    grown.set(this.#buffer.subarray(this.#bufferBytes - endsBytes), grown.byteLength - endsBytes)
    this.#buffer = grown
    this.#bufferBytes = grown.byteLength
  }
}
