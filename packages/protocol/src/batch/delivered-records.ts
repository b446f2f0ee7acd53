import { readU32 } from '../bytes.js'
import type { Crc32 } from '../crc32.js'
import { GomqError, invariant } from '../errors.js'
import { type Epoch, NO_OFFSET, type Offset } from '../numbers.js'
import { checkShape } from './check.js'
import {
  Attribute,
  appendTimeMsOf,
  attributesOf,
  BATCH_MAGIC,
  BATCH_VERSION,
  baseOffsetOf,
  baseTimestampMsOf,
  bodyCrc,
  bodyCrcOf,
  epochOf,
  HEADER_BYTES,
  KNOWN_ATTRIBUTES,
  magicOf,
  producerIdOf,
  recordCountOf,
  requiredFeaturesOf,
  tableStartOf,
  topicBytesOf,
  topicOf,
  versionOf,
} from './header.js'
import type { DecodedRecord } from './record.js'
import { decodeRecord } from './record-reader.js'

/** All but what moves records from their places: sparse offsets and compression. */
const READABLE_ATTRIBUTES = KNOWN_ATTRIBUTES & ~(Attribute.SPARSE | Attribute.COMPRESSION_MASK)

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
  /** The range of the last call of {@link offsetAt}, and the index of its first record: reading in order costs no search. */
  #rangeAt = 0
  #rangeStart = 0

  private constructor(
    header: Uint8Array,
    ranges: readonly number[] | null,
    count: number,
    bytes: Uint8Array,
    tableStart: number,
  ) {
    this.topic = readTopic(header)
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
    checkReadable(batch)
    if (bodyCrc(batch, crc32) !== bodyCrcOf(batch)) malformed('the checksum of its body does not match')
    return new DeliveredRecords(batch, null, recordCountOf(batch), batch, tableStartOf(batch))
  }

  /**
   * A part of a batch, as `partOfBatch` makes it.
   * @throws GomqError MALFORMED_BATCH or UNSUPPORTED_FEATURE
   */
  static ofPart(header: Uint8Array, ranges: readonly number[], payload: Uint8Array): DeliveredRecords {
    if (header.byteLength < HEADER_BYTES || header.byteLength !== HEADER_BYTES + topicBytesOf(header))
      malformed('its header has the wrong length')
    if (magicOf(header) !== BATCH_MAGIC || versionOf(header) !== BATCH_VERSION)
      malformed(`its header is none of version ${BATCH_VERSION}`)
    checkReadable(header)
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

  /** Offset of the record at `index`, from 0 to, not including, `count`; {@link NO_OFFSET} for messages that are in no log. */
  offsetAt(index: number): Offset {
    invariant(index >= 0 && index < this.count, `record ${index} is outside the ${this.count} that were delivered`)
    if (this.#baseOffset === NO_OFFSET) return NO_OFFSET
    const ranges = this.#ranges
    if (ranges === null) return (this.#baseOffset + index) as Offset
    if (index < this.#rangeStart) {
      this.#rangeAt = 0
      this.#rangeStart = 0
    }
    for (;;) {
      const from = ranges[this.#rangeAt]!
      const length = ranges[this.#rangeAt + 1]! - from
      if (index < this.#rangeStart + length) return (this.#baseOffset + from + index - this.#rangeStart) as Offset
      this.#rangeAt += 2
      this.#rangeStart += length
    }
  }

  /** Bytes of the record at `index` as credit counts them. */
  bytesAt(index: number): number {
    return this.#endAt(index) - this.#startAt(index)
  }

  /** Bytes of all records as credit counts them. */
  get bytes(): number {
    return this.count === 0 ? 0 : this.#endAt(this.count - 1)
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
    if (last !== available) malformed(`its records end at ${last} and there are ${available} bytes of them`)
  }
}

/** What this version cannot read must not be taken for plain records. */
function checkReadable(header: Uint8Array): void {
  const attributes = attributesOf(header)
  if (requiredFeaturesOf(header) !== 0 || attributes & ~READABLE_ATTRIBUTES) {
    throw new GomqError(
      'UNSUPPORTED_FEATURE',
      `delivered records have attributes 0x${attributes.toString(16)}, which this version does not read; use a newer client`,
    )
  }
}

function readTopic(header: Uint8Array): string {
  try {
    return topicOf(header)
  } catch {
    return malformed('its topic is not valid UTF-8')
  }
}

function malformed(what: string): never {
  throw new GomqError('MALFORMED_BATCH', `delivered records are malformed: ${what}`)
}
