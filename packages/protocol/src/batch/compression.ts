import { readU32, writeU32 } from '../bytes.js'
import type { Crc32 } from '../crc32.js'
import { GomqError, invariant } from '../errors.js'
import { COMPRESSED_RECORDS_BYTES_MIN, DEFLATE_RATIO_MAX, INFLATED_BATCH_BYTES_MAX } from '../limits.js'
import { Attribute, attributesOf, recordCountOf, recordsStartOf, rewriteBody, tableStartOf } from './header.js'
import { RECORD_BYTES_MIN } from './record.js'

/**
 * Compresses bytes as a raw DEFLATE stream [RFC 1951]. Injected, because the fast one is native: `@gomq/protocol/node` exports it. What it
 * makes of the same bytes may differ from one version of it to the next.
 */
export type Deflate = (bytes: Uint8Array) => Uint8Array

/**
 * The opposite of {@link Deflate}: exactly `length` bytes, or it throws. Never holds much more than `length` bytes, whatever comes in.
 * Injected as well.
 */
export type Inflate = (bytes: Uint8Array, length: number) => Uint8Array

/** Name of the feature, in CONNECT and CONNACK, of those who read compressed batches and, where the broker grants it, publish them. */
export const DEFLATE_FEATURE = 'deflate'

/** How the records of a batch are compressed, as its attributes say. */
export const Compression = { NONE: 0, DEFLATE: 0x200 } as const

/** One of {@link Compression}, or a value that version 1 does not know. */
export function compressionOf(batch: Uint8Array): number {
  return attributesOf(batch) & Attribute.COMPRESSION_MASK
}

/** Bytes of the records, uncompressed: where the last one ends. */
export function inflatedRecordsBytesOf(batch: Uint8Array): number {
  return readU32(batch, recordsStartOf(batch) - 4)
}

/** Bytes that the batch has when it is not compressed. */
export function inflatedBatchBytesOf(batch: Uint8Array): number {
  return recordsStartOf(batch) + inflatedRecordsBytesOf(batch)
}

/**
 * The batch with its records compressed, in memory of its own; the batch itself where that gains less than a tenth, where it is small or
 * above 1 MiB, retained, or a broker's own. Header, topic and table stay as they are.
 *
 *     header | topic | table of ends, uncompressed | deflate(records)
 *
 * @param batch  as a builder makes it
 */
export function deflatedBatch(batch: Uint8Array, deflate: Deflate, crc32: Crc32): Uint8Array {
  const attributes = attributesOf(batch)
  if (attributes & (Attribute.COMPRESSION_MASK | Attribute.RETAIN | Attribute.CONTROL)) return batch
  const start = recordsStartOf(batch)
  const recordsBytes = batch.byteLength - start
  if (recordsBytes < COMPRESSED_RECORDS_BYTES_MIN || batch.byteLength > INFLATED_BATCH_BYTES_MAX) return batch
  const records = deflate(batch.subarray(start))
  const bytes = start + records.byteLength
  if (bytes > 0.9 * batch.byteLength) return batch
  const deflated = new Uint8Array(bytes)
  deflated.set(batch.subarray(0, start))
  deflated.set(records, start)
  rewriteBody(deflated, attributes | Compression.DEFLATE, crc32)
  return deflated
}

/**
 * The records of a compressed batch, uncompressed, one after the other; its table says where each ends.
 * @throws GomqError BAD_RECORD  they are not what the batch says of them
 */
export function inflatedRecords(batch: Uint8Array, inflate: Inflate): Uint8Array {
  const length = inflatedRecordsBytesOf(batch)
  const compressed = batch.subarray(recordsStartOf(batch))
  const refusal = whyNotInflated(batch)
  if (refusal !== undefined) throw new GomqError('BAD_RECORD', `the records cannot be decompressed: ${refusal}`)
  let records: Uint8Array
  try {
    records = inflate(compressed, length)
  } catch (cause) {
    const message = `the records cannot be decompressed: ${compressed.byteLength} bytes are no stream of ${length} bytes`
    throw new GomqError('BAD_RECORD', message, { cause })
  }
  invariant(records.byteLength === length, `inflate gave ${records.byteLength} bytes instead of ${length}`)
  return records
}

/**
 * The same batch uncompressed, with both checksums made anew; the batch itself if it is not compressed. Everything else stays: offsets,
 * epoch, times, the producer's fields, the table.
 * @throws GomqError BAD_RECORD  the records are not what the batch says of them
 */
export function inflatedBatch(batch: Uint8Array, inflate: Inflate, crc32: Crc32): Uint8Array {
  if (compressionOf(batch) === Compression.NONE) return batch
  return withRecords(batch, inflatedRecords(batch, inflate), crc32)
}

/**
 * As {@link inflatedBatch}, for those who pass the batch on: one whose records are not what it says of them becomes one with as many records,
 * none of which can be decoded. Each of them reaches its consumer as a bad record.
 */
export function readableBatch(batch: Uint8Array, inflate: Inflate, crc32: Crc32): Uint8Array {
  try {
    return inflatedBatch(batch, inflate, crc32)
  } catch (error) {
    if (!(error instanceof GomqError) || error.code !== 'BAD_RECORD') throw error
    const count = recordCountOf(batch)
    // 0xc1 begins nothing in msgpack.
    const bad = withRecords(batch, new Uint8Array(count * RECORD_BYTES_MIN).fill(0xc1), crc32)
    const table = tableStartOf(bad)
    for (let i = 0; i < count; i++) writeU32(bad, table + 4 * i, (i + 1) * RECORD_BYTES_MIN)
    rewriteBody(bad, attributesOf(bad), crc32)
    return bad
  }
}

/** Why the sizes that a compressed batch states cannot be true, or are too much; undefined: they may be. */
export function whyNotInflated(batch: Uint8Array): string | undefined {
  const length = inflatedRecordsBytesOf(batch)
  const compressedBytes = batch.byteLength - recordsStartOf(batch)
  if (compressionOf(batch) !== Compression.DEFLATE) return 'it is compressed in a way that this version does not know'
  if (inflatedBatchBytesOf(batch) > INFLATED_BATCH_BYTES_MAX)
    return `it has ${inflatedBatchBytesOf(batch)} bytes uncompressed; a compressed batch has at most ${INFLATED_BATCH_BYTES_MAX}`
  if (compressedBytes >= length)
    return `its ${length} bytes of records take ${compressedBytes} compressed, which is no gain`
  if (length > compressedBytes * DEFLATE_RATIO_MAX)
    return `its records are to have ${length} bytes and ${compressedBytes} bytes of deflate make at most ${compressedBytes * DEFLATE_RATIO_MAX}`
  return undefined
}

function withRecords(batch: Uint8Array, records: Uint8Array, crc32: Crc32): Uint8Array {
  const start = recordsStartOf(batch)
  const plain = new Uint8Array(start + records.byteLength)
  plain.set(batch.subarray(0, start))
  plain.set(records, start)
  rewriteBody(plain, attributesOf(batch) & ~Attribute.COMPRESSION_MASK, crc32)
  return plain
}
