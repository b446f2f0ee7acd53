import { readU32 } from '../bytes.js'
import type { Crc32 } from '../crc32.js'
import { GomqError, invariant } from '../errors.js'
import { type Epoch, NO_OFFSET, type Offset } from '../numbers.js'
import { checkShape } from './check.js'
import { Compression, compressionOf, type Inflate, inflatedRecords, whyNotInflated } from './compression.js'
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

/** All but what moves records from their places: sparse offsets, and compression that version 1 does not know. */
const READABLE_ATTRIBUTES = KNOWN_ATTRIBUTES & ~Attribute.SPARSE

/** How {@link DeliveredRecords.ofBatch} reads a batch. */
export interface BatchReading {
  /** Half-open pairs of the record positions that are meant; null or missing: all. */
  readonly ranges?: readonly number[] | null
  /** Missing: compressed batches are refused. */
  readonly inflate?: Inflate | undefined
}

/** Where the records of a {@link DeliveredRecords} lie. */
interface Place {
  /** Header and topic are its beginning. */
  readonly header: Uint8Array
  readonly ranges: readonly number[] | null
  /** Records that are meant. */
  readonly count: number
  /** Holds the table of ends, and the records unless they are compressed. */
  readonly bytes: Uint8Array
  readonly tableStart: number
  /** Records in the table: all of the batch, or `count`. */
  readonly tableCount: number
  readonly inflate: Inflate | null
}

/**
 * The records that one DELIVER brought: a whole batch, some of one that came whole, or a part of one. Positions count from 0 to `count`;
 * nothing is decoded, or decompressed, before {@link record} is called.
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
  readonly #baseOffset: Offset
  /** Half-open pairs of record positions in the batch; null for all. */
  readonly #ranges: readonly number[] | null
  /** Whether the table is that of the whole batch, while only {@link #ranges} of it are meant. */
  readonly #isTableWhole: boolean
  /** The range of the last call of {@link offsetAt}, and the index of its first record: reading in order costs no search. */
  #rangeAt = 0
  #rangeStart = 0
  /** Decompresses; null once that is done, or not needed. */
  #inflate: Inflate | null
  /** Holds the records from {@link #recordsStart} on; null while they are compressed. */
  #records: Uint8Array | null
  #recordsStart: number
  #failure: GomqError | null = null

  private constructor(place: Place) {
    const { header, ranges, count, bytes, tableStart, tableCount, inflate } = place
    this.topic = readTopic(header)
    this.epoch = epochOf(header)
    this.attributes = attributesOf(header)
    this.appendTimeMs = appendTimeMsOf(header)
    this.baseTimestampMs = baseTimestampMsOf(header)
    this.producerId = producerIdOf(header)
    this.count = count
    this.#baseOffset = baseOffsetOf(header)
    this.#ranges = ranges
    this.#isTableWhole = ranges !== null && bytes === header
    this.#bytes = bytes
    this.#tableStart = tableStart
    this.#recordsStart = tableStart + 4 * tableCount
    this.#inflate = inflate
    this.#records = inflate === null ? bytes : null
    const available = inflate === null ? bytes.byteLength - this.#recordsStart : null
    checkTable(bytes, tableStart, tableCount, available)
  }

  /**
   * A whole batch, its body checksum verified. One that is compressed is decompressed when its first record is asked for, so what waits takes
   * the memory of what came.
   * @throws GomqError MALFORMED_BATCH or UNSUPPORTED_FEATURE
   */
  static ofBatch(batch: Uint8Array, crc32: Crc32, reading: BatchReading = {}): DeliveredRecords {
    const { ranges = null, inflate = null } = reading
    checkShape(batch)
    checkReadable(batch, inflate === null ? Compression.NONE : Compression.DEFLATE)
    if (bodyCrc(batch, crc32) !== bodyCrcOf(batch)) malformed('the checksum of its body does not match')
    const isCompressed = compressionOf(batch) !== Compression.NONE
    const refusal = isCompressed ? whyNotInflated(batch) : undefined
    if (refusal !== undefined) malformed(refusal)
    const tableCount = recordCountOf(batch)
    return new DeliveredRecords({
      header: batch,
      ranges,
      count: ranges === null ? tableCount : recordsIn(ranges, tableCount),
      bytes: batch,
      tableStart: tableStartOf(batch),
      tableCount,
      inflate: isCompressed ? inflate : null,
    })
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
    checkReadable(header, Compression.NONE)
    const count = recordsIn(ranges, recordCountOf(header))
    if (payload.byteLength < 4 * count) malformed('its payload is shorter than its table')
    return new DeliveredRecords({
      header,
      ranges,
      count,
      bytes: payload,
      tableStart: 0,
      tableCount: count,
      inflate: null,
    })
  }

  /** Offset of the record at `index`, from 0 to, not including, `count`; {@link NO_OFFSET} for messages that are in no log. */
  offsetAt(index: number): Offset {
    invariant(index >= 0 && index < this.count, `record ${index} is outside the ${this.count} that were delivered`)
    if (this.#baseOffset === NO_OFFSET) return NO_OFFSET
    return (this.#baseOffset + this.#positionInBatch(index)) as Offset
  }

  /** Bytes of the record at `index`, uncompressed, as credit counts them. */
  bytesAt(index: number): number {
    const at = this.#positionInTable(index)
    return this.#endAt(at) - this.#startAt(at)
  }

  /** Bytes of all records, uncompressed, as credit counts them. */
  get bytes(): number {
    if (!this.#isTableWhole) return this.count === 0 ? 0 : this.#endAt(this.count - 1)
    const ranges = this.#ranges!
    let bytes = 0
    for (let i = 0; i < ranges.length; i += 2) bytes += this.#endAt(ranges[i + 1]! - 1) - this.#startAt(ranges[i]!)
    return bytes
  }

  /**
   * Decodes the record at `index`.
   * @throws GomqError BAD_RECORD
   */
  record(index: number): DecodedRecord {
    const records = this.#records ?? this.#decompress()
    const at = this.#positionInTable(index)
    return decodeRecord(records, this.#recordsStart + this.#startAt(at), this.#recordsStart + this.#endAt(at))
  }

  /** @throws GomqError BAD_RECORD  for each record: none of them is there */
  #decompress(): Uint8Array {
    if (this.#failure !== null) throw this.#failure
    try {
      this.#records = inflatedRecords(this.#bytes, this.#inflate!)
    } catch (error) {
      this.#failure = GomqError.from(error)
      throw this.#failure
    }
    this.#recordsStart = 0
    this.#inflate = null
    return this.#records
  }

  #positionInTable(index: number): number {
    if (!this.#isTableWhole) return index
    invariant(index >= 0 && index < this.count, `record ${index} is outside the ${this.count} that were delivered`)
    return this.#positionInBatch(index)
  }

  #positionInBatch(index: number): number {
    const ranges = this.#ranges
    if (ranges === null) return index
    if (index < this.#rangeStart) {
      this.#rangeAt = 0
      this.#rangeStart = 0
    }
    for (;;) {
      const from = ranges[this.#rangeAt]!
      const length = ranges[this.#rangeAt + 1]! - from
      if (index < this.#rangeStart + length) return from + index - this.#rangeStart
      this.#rangeAt += 2
      this.#rangeStart += length
    }
  }

  #startAt(at: number): number {
    return at === 0 ? 0 : this.#endAt(at - 1)
  }

  #endAt(at: number): number {
    return readU32(this.#bytes, this.#tableStart + 4 * at)
  }
}

/**
 * Ends ascend, and the last one is the end of what is there.
 * @param available  bytes of the records; null: what the last end says
 */
function checkTable(bytes: Uint8Array, tableStart: number, count: number, available: number | null): void {
  const end = available ?? readU32(bytes, tableStart + 4 * (count - 1))
  let last = 0
  for (let i = 0; i < count; i++) {
    const recordEnd = readU32(bytes, tableStart + 4 * i)
    if (recordEnd < last || recordEnd > end) malformed(`record ${i} ends at ${recordEnd}, outside its ${end} bytes`)
    last = recordEnd
  }
  if (last !== end) malformed(`its records end at ${last} and there are ${end} bytes of them`)
}

/** Records in the ranges. @throws GomqError MALFORMED_BATCH  they are none of a batch of `total` records */
function recordsIn(ranges: readonly number[], total: number): number {
  if (ranges.length === 0 || ranges.length % 2 !== 0) malformed('its ranges are no pairs')
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
  return count
}

/** What this version cannot read must not be taken for plain records. */
function checkReadable(header: Uint8Array, compressionMax: number): void {
  const attributes = attributesOf(header)
  if (requiredFeaturesOf(header) !== 0 || attributes & ~READABLE_ATTRIBUTES || compressionOf(header) > compressionMax) {
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
