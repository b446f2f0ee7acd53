import { type Epoch, HEADER_BYTES, type Offset, readU64, stampLeader, writeHeaderStart, writeU64 } from '@gomq/protocol'

/** A batch that holds nothing but a number: what a checker compares. @param records  offsets that it takes */
export function testBatch(message: number, baseOffset: Offset, epoch: Epoch, records: number = 1): Uint8Array {
  const batch = new Uint8Array(HEADER_BYTES + 8)
  writeHeaderStart(batch, {
    batchBytes: batch.byteLength,
    topicBytes: 0,
    attributes: 0,
    recordCount: records,
    baseTimestampMs: 0,
    ttlMs: 0,
  })
  stampLeader(batch, baseOffset, epoch, 0)
  writeU64(batch, HEADER_BYTES, message)
  return batch
}

/** The number in it. */
export function messageOf(batch: Uint8Array): number {
  return readU64(batch, HEADER_BYTES)
}
