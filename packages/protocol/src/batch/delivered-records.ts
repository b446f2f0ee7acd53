import { readU32 } from '../bytes.js'
import type { Crc32 } from '../crc32.js'
import { GomqError } from '../errors.js'
import { type Epoch, NO_OFFSET, type Offset } from '../numbers.js'
import { checkShape } from './check.js'
import {
  appendTimeMsOf,
  attributesOf,
  baseOffsetOf,
  baseTimestampMsOf,
  bodyCrc,
  bodyCrcOf,
  epochOf,
  HEADER_BYTES,
  producerIdOf,
  recordCountOf,
  tableStartOf,
  topicBytesOf,
  topicOf,
} from './header.js'
import type { DecodedRecord } from './record.js'
import { decodeRecord } from './record-reader.js'

/**
 * The records that one DELIVER brought: a whole batch, or a part of one. Positions count from 0 to `count`; nothing is
 * decoded before {@link record} is called.
 */
export class DeliveredRecords {
  /** Records in here. */
  readonly count: number
  readonly topic: string
  readonly epoch: Epoch
  readonly attributes: number
  readonly appendTimeMs: number
  readonly baseTimestampMs: number
  readonly producerId: number
  readonly #bytes: Uint8Array
  readonly #tableStart: number
  readonly #recordsStart: number
  readonly #baseOffset: Offset
  /** Half-open pairs of record positions in the batch; null for all. */
  readonly #ranges: readonly number[] | null

  private constructor(
    header: Uint8Array,
    ranges: readonly number[] | null,
    count: number,
    bytes: Uint8Array,
    tableStart: number,
  ) {
    this.topic = topicOf(header)
    this.epoch = epochOf(header)
    this.attributes = attributesOf(header)
    this.appendTimeMs = appendTimeMsOf(header)
    this.baseTimestampMs = baseTimestampMsOf(header)
    this.producerId = producerIdOf(header)
    this.count = count
    this.#baseOffset = baseOffsetOf(header)
    this.#ranges = ranges
    this.#bytes = bytes
    this.#tableStart = tableStart
    this.#recordsStart = tableStart + 4 * count
    this.#checkTable()
  }

  /**
   * A whole batch, its body checksum verified.
   * @throws GomqError MALFORMED_BATCH or UNSUPPORTED_FEATURE
   */
  static ofBatch(batch: Uint8Array, crc32: Crc32): DeliveredRecords {
    checkShape(batch)
    if (bodyCrc(batch, crc32) !== bodyCrcOf(batch)) malformed('the checksum of its body does not match')
    return new DeliveredRecords(batch, null, recordCountOf(batch), batch, tableStartOf(batch))
  }

  /**
   * A part of a batch, as `partOfBatch` makes it.
   * @throws GomqError MALFORMED_BATCH
   */
  static ofPart(header: Uint8Array, ranges: readonly number[], payload: Uint8Array): DeliveredRecords {
    if (header.byteLength < HEADER_BYTES || header.byteLength !== HEADER_BYTES + topicBytesOf(header))
      malformed('its header has the wrong length')
    if (ranges.length === 0 || ranges.length % 2 !== 0) malformed('its ranges are no pairs')
    const total = recordCountOf(header)
    let count = 0
    let last = 0
    for (let i = 0; i < ranges.length; i += 2) {
      const from = ranges[i]!
      const to = ranges[i + 1]!
      if (from < last || to <= from || to > total)
        malformed(`its range ${from} to ${to} is out of order or outside its ${total} records`)
      count += to - from
      last = to
    }
    if (payload.byteLength < 4 * count) malformed('its payload is shorter than its table')
    return new DeliveredRecords(header, ranges, count, payload, 0)
  }

  /** Offset of the record at `index`; {@link NO_OFFSET} for messages that are in no log. */
  offsetAt(index: number): Offset {
    if (this.#baseOffset === NO_OFFSET) return NO_OFFSET
    const ranges = this.#ranges
    if (ranges === null) return (this.#baseOffset + index) as Offset
    let left = index
    for (let i = 0; i < ranges.length; i += 2) {
      const length = ranges[i + 1]! - ranges[i]!
      if (left < length) return (this.#baseOffset + ranges[i]! + left) as Offset
      left -= length
    }
    return NO_OFFSET
  }

  /** Bytes of the record at `index` as credit counts them. */
  bytesAt(index: number): number {
    return this.#endAt(index) - this.#startAt(index)
  }

  /**
   * Decodes the record at `index`.
   * @throws GomqError BAD_RECORD
   */
  record(index: number): DecodedRecord {
    return decodeRecord(this.#bytes, this.#recordsStart + this.#startAt(index), this.#recordsStart + this.#endAt(index))
  }

  #startAt(index: number): number {
    return index === 0 ? 0 : this.#endAt(index - 1)
  }

  #endAt(index: number): number {
    return readU32(this.#bytes, this.#tableStart + 4 * index)
  }

  #checkTable(): void {
    const available = this.#bytes.byteLength - this.#recordsStart
    let last = 0
    for (let i = 0; i < this.count; i++) {
      const end = this.#endAt(i)
      if (end < last || end > available) malformed(`record ${i} ends at ${end}, outside its ${available} bytes`)
      last = end
    }
  }
}

function malformed(what: string): never {
  throw new GomqError('MALFORMED_BATCH', `delivered records are malformed: ${what}`)
}
