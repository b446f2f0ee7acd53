import { readU16, readU32, readU64, writeU32, writeU64 } from '../bytes.js'
import type { Crc32 } from '../crc32.js'
import { type Epoch, NO_OFFSET, type Offset, type ProducerId } from '../numbers.js'
import { decodeUtf8 } from '../utf8.js'

/**
 * The fixed header of a record batch, version 1, little-endian. The leader and the disk own the bytes before 48; the producer owns the rest.
 *
 *       0 u32 magic "GMQB"             4 u32 headerCrc, over [8, 104)
 *       8 u8  version = 1              9 u8  headerBytes = 104        10 u16 shard = 0     12 u32 batchBytes, header included
 *      16 u64 baseOffset              24 u64 appendTimeMs             32 u64 syncedOffset  40 u32 epoch
 *      44 u32 bodyCrc, over [48, batchBytes)
 *      48 u16 requiredFeatures        50 u16 topicBytes               52 u32 attributes
 *      56 u32 lastOffsetDelta         60 u32 recordCount              64 u64 baseTimestampMs
 *      72 u64 producerId              80 u32 firstSequence            84 u16 producerEpoch
 *      86 2 reserved bytes, zero      88 u64 ttlMs                96 8 reserved bytes, zero
 *     104 topic | recordCount x u32: end of each record, from the start of the records | records
 *
 * The functions below read it in place; a batch is its bytes and there is no object beside them.
 */
export const HEADER_BYTES = 104

/** The first four bytes, "GMQB", as a little-endian u32. */
export const BATCH_MAGIC = 0x42514d47

/** The format version that this code writes, and the only one it reads. */
export const BATCH_VERSION = 1

const HEADER_CRC_AT = 4
const VERSION_AT = 8
const HEADER_BYTES_AT = 9
const SHARD_AT = 10
const BATCH_BYTES_AT = 12
const BASE_OFFSET_AT = 16
const APPEND_TIME_AT = 24
const SYNCED_OFFSET_AT = 32
const EPOCH_AT = 40
const BODY_CRC_AT = 44
const BODY_AT = 48
const REQUIRED_FEATURES_AT = 48
const TOPIC_BYTES_AT = 50
const ATTRIBUTES_AT = 52
const LAST_OFFSET_DELTA_AT = 56
const RECORD_COUNT_AT = 60
const BASE_TIMESTAMP_AT = 64
const PRODUCER_ID_AT = 72
const FIRST_SEQUENCE_AT = 80
const PRODUCER_EPOCH_AT = 84
const RESERVED_AT = 86
const TTL_AT = 88
const RESERVED_END_AT = 96

/** In the base offset's place when a message is in no log: all ones. */
const NO_OFFSET_WORD = 0xffff_ffff

/** Attributes of a batch: what holds for each of its records, so that nobody decodes records to route them. */
export const Attribute = {
  /** Bits 0 and 1: the QoS. */
  QOS_MASK: 0x3,
  RETAIN: 0x4,
  CONTROL: 0x8,
  DELAYED: 0x10,
  /** The records have a time to live, {@link ttlMsOf}. */
  EXPIRING: 0x20,
  KEYED: 0x40,
  /** The cleaner removed some of the records: `holes.ts`. */
  SPARSE: 0x80,
  ATOMIC_CONTINUES: 0x100,
  /** Bits 9 and 10: 0 none, 1 deflate. */
  COMPRESSION_MASK: 0x600,
} as const

/** All bits that version 1 defines; the others must be zero. */
export const KNOWN_ATTRIBUTES = 0x7ff

/** The first four bytes; {@link BATCH_MAGIC} in a batch. */
export function magicOf(batch: Uint8Array): number {
  return readU32(batch, 0)
}
/** The stored checksum of the header; compare it with {@link headerCrc}. */
export function headerCrcOf(batch: Uint8Array): number {
  return readU32(batch, HEADER_CRC_AT)
}
/** The format version. */
export function versionOf(batch: Uint8Array): number {
  return batch[VERSION_AT]!
}
/** Bytes of the header as the batch says; {@link HEADER_BYTES} in version 1. */
export function headerBytesOf(batch: Uint8Array): number {
  return batch[HEADER_BYTES_AT]!
}
/** Reserved for brokers with several logs; 0. */
export function shardOf(batch: Uint8Array): number {
  return readU16(batch, SHARD_AT)
}
/** Bytes of the whole batch, header included. */
export function batchBytesOf(batch: Uint8Array): number {
  return readU32(batch, BATCH_BYTES_AT)
}
/** Offset of the first record; {@link NO_OFFSET} for a batch that is in no log. */
export function baseOffsetOf(batch: Uint8Array): Offset {
  if (readU32(batch, BASE_OFFSET_AT + 4) === NO_OFFSET_WORD) return NO_OFFSET
  return readU64(batch, BASE_OFFSET_AT) as Offset
}
/** Offset after the last record: base offset + last offset delta + 1. */
export function nextOffsetOf(batch: Uint8Array): Offset {
  return (readU64(batch, BASE_OFFSET_AT) + readU32(batch, LAST_OFFSET_DELTA_AT) + 1) as Offset
}
/** The leader's time when it appended the batch; never goes back along a log. */
export function appendTimeMsOf(batch: Uint8Array): number {
  return readU64(batch, APPEND_TIME_AT)
}
/** The durable end of the log on the disk that wrote this batch, at the moment it wrote it. Recovery tells a torn tail by it. */
export function syncedOffsetOf(batch: Uint8Array): Offset {
  return readU64(batch, SYNCED_OFFSET_AT) as Offset
}
/** Epoch of the leader that appended the batch; 0 for one that is in no log. */
export function epochOf(batch: Uint8Array): Epoch {
  return readU32(batch, EPOCH_AT) as Epoch
}
/** The stored checksum of the body; compare it with {@link bodyCrc}. */
export function bodyCrcOf(batch: Uint8Array): number {
  return readU32(batch, BODY_CRC_AT)
}
/** Bits of features without which the batch cannot be read; 0 in version 1. */
export function requiredFeaturesOf(batch: Uint8Array): number {
  return readU16(batch, REQUIRED_FEATURES_AT)
}
/** Bytes of the topic in UTF-8; 0 for a control batch. */
export function topicBytesOf(batch: Uint8Array): number {
  return readU16(batch, TOPIC_BYTES_AT)
}
/** Bits of {@link Attribute}. */
export function attributesOf(batch: Uint8Array): number {
  return readU32(batch, ATTRIBUTES_AT)
}
/** QoS of all records: 0, 1 or 2. */
export function qosOf(batch: Uint8Array): number {
  return batch[ATTRIBUTES_AT]! & Attribute.QOS_MASK
}
/** Whether a broker wrote the batch for itself; its records are control records. */
export function isControl(batch: Uint8Array): boolean {
  return (batch[ATTRIBUTES_AT]! & Attribute.CONTROL) !== 0
}
/** Offset of the last record less the base offset. */
export function lastOffsetDeltaOf(batch: Uint8Array): number {
  return readU32(batch, LAST_OFFSET_DELTA_AT)
}
/** Records in the batch, 1 to 65,536. */
export function recordCountOf(batch: Uint8Array): number {
  return readU32(batch, RECORD_COUNT_AT)
}
/** The producer's time; record timestamps are deltas to it. */
export function baseTimestampMsOf(batch: Uint8Array): number {
  return readU64(batch, BASE_TIMESTAMP_AT)
}
/** 0 if the producer is not idempotent. */
export function producerIdOf(batch: Uint8Array): ProducerId {
  return readU64(batch, PRODUCER_ID_AT) as ProducerId
}
/** Sequence number of the first record; the next batch of the producer begins recordCount later, modulo 2^32. */
export function firstSequenceOf(batch: Uint8Array): number {
  return readU32(batch, FIRST_SEQUENCE_AT)
}
/** Epoch of the producer, 0 to 65,535; a greater one fences a smaller one. */
export function producerEpochOf(batch: Uint8Array): number {
  return readU16(batch, PRODUCER_EPOCH_AT)
}
/** Milliseconds after the append at which the records are no longer delivered; 0 without {@link Attribute.EXPIRING}. */
export function ttlMsOf(batch: Uint8Array): number {
  return readU64(batch, TTL_AT)
}
/** Whether the records of a batch are no longer to be delivered at `nowMs`, on the clock of the leader that appended it. */
export function isExpired(batch: Uint8Array, nowMs: number): boolean {
  return (
    (batch[ATTRIBUTES_AT]! & Attribute.EXPIRING) !== 0 &&
    nowMs >= readU64(batch, APPEND_TIME_AT) + readU64(batch, TTL_AT)
  )
}
/** The topic name; empty for a control batch. */
export function topicOf(batch: Uint8Array): string {
  return decodeUtf8(batch.subarray(HEADER_BYTES, HEADER_BYTES + topicBytesOf(batch)))
}
/** Position of the table of record ends. */
export function tableStartOf(batch: Uint8Array): number {
  return HEADER_BYTES + topicBytesOf(batch)
}
/** Position of the first record. */
export function recordsStartOf(batch: Uint8Array): number {
  return HEADER_BYTES + topicBytesOf(batch) + 4 * recordCountOf(batch)
}
/** Whether the reserved bytes are zero, as version 1 demands. */
export function reservedIsZero(batch: Uint8Array): boolean {
  return batch[RESERVED_AT] === 0 && batch[RESERVED_AT + 1] === 0 && readU64(batch, RESERVED_END_AT) === 0
}

/** Puts the producer's identity and sequence and the body's checksum into a batch. Again on a batch that was not stored, with a new epoch. */
export function stampProducer(
  batch: Uint8Array,
  producer: { readonly producerId: ProducerId; readonly producerEpoch: number; readonly firstSequence: number },
  crc32: Crc32,
): void {
  writeU64(batch, PRODUCER_ID_AT, producer.producerId)
  writeU32(batch, FIRST_SEQUENCE_AT, producer.firstSequence)
  batch[PRODUCER_EPOCH_AT] = producer.producerEpoch
  batch[PRODUCER_EPOCH_AT + 1] = producer.producerEpoch >>> 8
  writeU32(batch, BODY_CRC_AT, bodyCrc(batch, crc32))
}

/** Makes a retained batch one that is not. */
export function clearRetain(batch: Uint8Array, crc32: Crc32): void {
  writeU32(batch, ATTRIBUTES_AT, attributesOf(batch) & ~Attribute.RETAIN)
  writeU32(batch, BODY_CRC_AT, bodyCrc(batch, crc32))
}

/** Puts the leader's fields into a batch, in place. The header's checksum comes with {@link sealHeader}, when the batch is written. */
export function stampLeader(batch: Uint8Array, baseOffset: Offset, epoch: Epoch, appendTimeMs: number): void {
  writeU64(batch, BASE_OFFSET_AT, baseOffset)
  writeU64(batch, APPEND_TIME_AT, appendTimeMs)
  writeU32(batch, EPOCH_AT, epoch)
}

/** Marks a batch as being in no log (QoS 0 without retain), with the time it was taken in; its epoch is 0. */
export function stampUnlogged(batch: Uint8Array, appendTimeMs: number, crc32: Crc32): void {
  writeU32(batch, BASE_OFFSET_AT, NO_OFFSET_WORD)
  writeU32(batch, BASE_OFFSET_AT + 4, NO_OFFSET_WORD)
  writeU64(batch, APPEND_TIME_AT, appendTimeMs)
  // What a publisher may have put there would reach the subscribers as ours.
  writeU64(batch, SYNCED_OFFSET_AT, 0)
  writeU32(batch, EPOCH_AT, 0)
  writeU32(batch, HEADER_CRC_AT, headerCrc(batch, crc32))
}

/** Puts the durable end of this disk's log and the header's checksum into a batch: the last step before it is written. */
export function sealHeader(batch: Uint8Array, syncedOffset: Offset, crc32: Crc32): void {
  writeU64(batch, SYNCED_OFFSET_AT, syncedOffset)
  writeU32(batch, HEADER_CRC_AT, headerCrc(batch, crc32))
}

/** Marks bytes as a batch with holes, of their length, and makes both checksums anew. Again: nothing changes. @internal */
export function sealWithHoles(batch: Uint8Array, crc32: Crc32): void {
  writeU32(batch, BATCH_BYTES_AT, batch.byteLength)
  writeU32(batch, ATTRIBUTES_AT, attributesOf(batch) | Attribute.SPARSE)
  writeU32(batch, BODY_CRC_AT, bodyCrc(batch, crc32))
  writeU32(batch, HEADER_CRC_AT, headerCrc(batch, crc32))
}

/** Marks the header of a part of a batch, which has no holes, as having none. @internal */
export function clearSparse(header: Uint8Array): void {
  writeU32(header, ATTRIBUTES_AT, attributesOf(header) & ~Attribute.SPARSE)
}

/** Checksum over the header without magic and checksum. */
export function headerCrc(batch: Uint8Array, crc32: Crc32): number {
  return crc32(batch.subarray(VERSION_AT, HEADER_BYTES))
}

/** Checksum over what the producer owns: its part of the header, topic, table and records. */
export function bodyCrc(batch: Uint8Array, crc32: Crc32): number {
  return crc32(batch.subarray(BODY_AT, batchBytesOf(batch)))
}

/** Writes the parts of a new header that never change. @internal */
export function writeHeaderStart(
  batch: Uint8Array,
  fields: {
    batchBytes: number
    topicBytes: number
    attributes: number
    recordCount: number
    baseTimestampMs: number
    ttlMs: number
  },
): void {
  writeU32(batch, 0, BATCH_MAGIC)
  batch[VERSION_AT] = BATCH_VERSION
  batch[HEADER_BYTES_AT] = HEADER_BYTES
  writeU32(batch, BATCH_BYTES_AT, fields.batchBytes)
  batch[TOPIC_BYTES_AT] = fields.topicBytes
  batch[TOPIC_BYTES_AT + 1] = fields.topicBytes >>> 8
  writeU32(batch, ATTRIBUTES_AT, fields.attributes)
  writeU32(batch, LAST_OFFSET_DELTA_AT, fields.recordCount - 1)
  writeU32(batch, RECORD_COUNT_AT, fields.recordCount)
  writeU64(batch, BASE_TIMESTAMP_AT, fields.baseTimestampMs)
  if (fields.ttlMs > 0) writeU64(batch, TTL_AT, fields.ttlMs)
}
