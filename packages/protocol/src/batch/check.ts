import { readU32 } from '../bytes.js'
import type { Crc32 } from '../crc32.js'
import { GomqError } from '../errors.js'
import { BATCH_RECORDS_MAX, RECORD_OVERHEAD_BYTES_MAX } from '../limits.js'
import { validateTopicName } from '../topic-name.js'
import {
  Attribute,
  attributesOf,
  BATCH_MAGIC,
  BATCH_VERSION,
  baseTimestampMsOf,
  batchBytesOf,
  bodyCrc,
  bodyCrcOf,
  HEADER_BYTES,
  headerBytesOf,
  headerCrc,
  headerCrcOf,
  KNOWN_ATTRIBUTES,
  lastOffsetDeltaOf,
  magicOf,
  producerIdOf,
  recordCountOf,
  recordsStartOf,
  requiredFeaturesOf,
  reservedIsZero,
  shardOf,
  tableStartOf,
  topicOf,
  ttlMsOf,
  versionOf,
} from './header.js'
import { hasHoles } from './holes.js'

/** Bytes of the smallest record: an array of four with an empty value. */
const RECORD_BYTES_MIN = 5

/** What {@link checkBatch} allows. */
export interface BatchBounds {
  /** Bytes of one message's value; a record may have {@link RECORD_OVERHEAD_BYTES_MAX} more for key, headers and framing. */
  readonly messageBytesMax: number
}

/**
 * Checks a batch that came from outside, and returns its topic: format, features, bounds, positions, topic name and the producer's
 * checksum. All that a broker checks before it appends; the records stay closed.
 *
 * @throws GomqError MALFORMED_BATCH      the bytes break the format or the checksum
 * @throws GomqError UNSUPPORTED_FEATURE  a feature, an attribute or a compression that this version does not know
 * @throws GomqError MESSAGE_TOO_LARGE    a record is larger than the bounds
 * @throws GomqError INVALID_TOPIC        the topic is no topic name
 */
export function checkBatch(batch: Uint8Array, bounds: BatchBounds, crc32: Crc32): string {
  checkShape(batch)
  const count = recordCountOf(batch)
  const attributes = attributesOf(batch)
  if (attributes & (Attribute.SPARSE | Attribute.DELAYED | Attribute.ATOMIC_CONTINUES | Attribute.COMPRESSION_MASK)) {
    throw new GomqError(
      'UNSUPPORTED_FEATURE',
      `the batch has attributes 0x${attributes.toString(16)}; this broker takes QoS, retain, keyed and expiring`,
    )
  }
  if (attributes & Attribute.CONTROL) malformed('it is marked as a control batch, which only a broker writes')
  if ((attributes & Attribute.QOS_MASK) === 3) malformed('its QoS is 3; QoS is 0, 1 or 2')
  if (attributes & Attribute.RETAIN && count !== 1)
    malformed(`it is retained and holds ${count} records; a retained batch holds one`)
  checkTtl(batch, attributes)
  if (lastOffsetDeltaOf(batch) !== count - 1)
    malformed(`its last offset delta is ${lastOffsetDeltaOf(batch)} for ${count} records`)
  if (!Number.isSafeInteger(producerIdOf(batch)) || !Number.isSafeInteger(baseTimestampMsOf(batch)))
    malformed('its producer id or its base timestamp is above 2^53 - 1')
  checkTable(batch, count, bounds.messageBytesMax)
  if (bodyCrc(batch, crc32) !== bodyCrcOf(batch))
    malformed('the checksum of its body does not match; it was damaged on its way')
  const topic = readTopic(batch)
  validateTopicName(topic)
  return topic
}

/** Whether `bytes` begin with a whole header of version 1 whose checksum holds. What follows is not looked at. */
export function isHeaderIntact(bytes: Uint8Array, crc32: Crc32): boolean {
  return (
    bytes.byteLength >= HEADER_BYTES &&
    magicOf(bytes) === BATCH_MAGIC &&
    versionOf(bytes) === BATCH_VERSION &&
    headerBytesOf(bytes) === HEADER_BYTES &&
    headerCrc(bytes, crc32) === headerCrcOf(bytes)
  )
}

/** Whether a stored batch is exactly what was written: both checksums hold and the length is that of the bytes. */
export function isBatchIntact(batch: Uint8Array, crc32: Crc32): boolean {
  return (
    isHeaderIntact(batch, crc32) &&
    batchBytesOf(batch) === batch.byteLength &&
    bodyCrc(batch, crc32) === bodyCrcOf(batch)
  )
}

/**
 * Checks what every reader relies on before it follows a position: magic, version, lengths, reserved bytes, the table's place.
 * @throws GomqError MALFORMED_BATCH or UNSUPPORTED_FEATURE
 */
export function checkShape(batch: Uint8Array): void {
  if (batch.byteLength < HEADER_BYTES)
    malformed(`it has ${batch.byteLength} bytes, less than the ${HEADER_BYTES} of a header`)
  if (magicOf(batch) !== BATCH_MAGIC) malformed('it does not begin with "GMQB"')
  if (versionOf(batch) !== BATCH_VERSION)
    malformed(`its version is ${versionOf(batch)}; this program reads version ${BATCH_VERSION}`)
  if (headerBytesOf(batch) !== HEADER_BYTES)
    malformed(`its header says ${headerBytesOf(batch)} bytes instead of ${HEADER_BYTES}`)
  if (batchBytesOf(batch) !== batch.byteLength)
    malformed(`its header says ${batchBytesOf(batch)} bytes and there are ${batch.byteLength}`)
  if (requiredFeaturesOf(batch) !== 0 || attributesOf(batch) & ~KNOWN_ATTRIBUTES) {
    throw new GomqError(
      'UNSUPPORTED_FEATURE',
      'the batch needs a feature that this version does not have; use the same version of client and broker',
    )
  }
  if (shardOf(batch) !== 0) malformed(`its shard is ${shardOf(batch)}; only shard 0 exists`)
  if (!reservedIsZero(batch)) malformed('its reserved bytes are not zero')
  const count = recordCountOf(batch)
  if (count < 1 || count > BATCH_RECORDS_MAX)
    malformed(`it announces ${count} records; 1 to ${BATCH_RECORDS_MAX} are allowed`)
  // Holes have no bytes.
  const recordBytesMin = hasHoles(batch) ? 0 : RECORD_BYTES_MIN
  if (recordsStartOf(batch) + count * recordBytesMin > batch.byteLength)
    malformed(`it has no room for the ${count} records it announces`)
}

function checkTtl(batch: Uint8Array, attributes: number): void {
  const ttlMs = ttlMsOf(batch)
  if (!(attributes & Attribute.EXPIRING)) {
    if (ttlMs !== 0) malformed('it has a time to live and is not marked as expiring')
  } else if (!Number.isSafeInteger(ttlMs) || ttlMs === 0)
    malformed('it is marked as expiring and its time to live is not from 1 to 2^53 - 1 ms')
}

function checkTable(batch: Uint8Array, count: number, messageBytesMax: number): void {
  const recordBytesMax = messageBytesMax + RECORD_OVERHEAD_BYTES_MAX
  let at = tableStartOf(batch)
  let start = 0
  for (let i = 0; i < count; i++, at += 4) {
    const end = readU32(batch, at)
    const bytes = end - start
    if (bytes < RECORD_BYTES_MIN)
      malformed(`record ${i} ends at ${end}, less than ${RECORD_BYTES_MIN} bytes after its start at ${start}`)
    if (bytes > recordBytesMax) {
      throw new GomqError(
        'MESSAGE_TOO_LARGE',
        `record ${i} has ${bytes} bytes; the limit is ${messageBytesMax} for a message and ${RECORD_OVERHEAD_BYTES_MAX} for its key and headers; send less or raise the broker's message size`,
      )
    }
    start = end
  }
  const recordsBytes = batch.byteLength - recordsStartOf(batch)
  if (start !== recordsBytes) malformed(`its records end at ${start} and there are ${recordsBytes} bytes of them`)
}

function readTopic(batch: Uint8Array): string {
  try {
    return topicOf(batch)
  } catch (cause) {
    throw new GomqError('INVALID_TOPIC', 'the topic of the batch is not valid UTF-8', { cause })
  }
}

function malformed(what: string): never {
  throw new GomqError('MALFORMED_BATCH', `the record batch is malformed: ${what}`)
}
