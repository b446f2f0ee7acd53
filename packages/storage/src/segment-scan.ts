import {
  baseOffsetOf,
  batchBytesOf,
  type Crc32,
  HEADER_BYTES,
  isBatchIntact,
  isHeaderIntact,
  type Offset,
  syncedOffsetOf,
} from '@gomq/protocol'
import type { FileHandle } from './file-system.js'
import type { CleanedHead } from './format/cleaned-head.js'
import { SegmentIndex } from './format/segment-index.js'
import { SCAN_CHUNK_BYTES } from './limits.js'
import { ScanWindow } from './scan-window.js'

/** Bytes of a record and its entry in the batch's table, at least. */
const RECORD_BYTES_MIN = 9
/** First byte of a batch, "G". */
const MAGIC_BYTE = 0x47

/** What a scan of a segment found. */
export interface SegmentScan {
  /** Every batch before {@link goodBytes}. */
  readonly index: SegmentIndex
  /** Where the first bytes are that are no intact batch; the file's size if there are none. */
  readonly goodBytes: number
  readonly fileBytes: number
  /** Everything before was synced before the last batch was written; what stands from here on may be seen without being on disk. */
  readonly syncedBytes: number
}

/**
 * Reads a segment from its start and indexes every intact batch that follows the one before it, up to the first that does not.
 *
 * @param head  of a cleaned segment: the batches begin behind it and have gaps between their offsets. Whether all are there is the caller's
 *              question, by the counts in the head
 */
export async function scanSegment(
  file: FileHandle,
  baseOffset: Offset,
  crc32: Crc32,
  head?: CleanedHead,
): Promise<SegmentScan> {
  const fileBytes = await file.sizeBytes()
  const index = new SegmentIndex(baseOffset, head)
  const window = new ScanWindow(file, fileBytes)
  let at = index.bytes
  let synced = baseOffset
  try {
    while (at < fileBytes) {
      const header = await window.view(at, HEADER_BYTES)
      // Only an intact header is believed about the length, before it decides how much is allocated.
      if (!isHeaderIntact(header, crc32)) break
      const batchBytes = batchBytesOf(header)
      if (batchBytes > fileBytes - at) break
      const batch = (await window.view(at, batchBytes)).subarray(0, batchBytes)
      if (!isBatchIntact(batch, crc32) || !index.follows(batch) || !index.fits(batch)) break
      index.add(batch)
      at += batch.byteLength
      synced = syncedOffsetOf(batch)
    }
  } finally {
    await window.end()
  }
  return { index, goodBytes: at, fileBytes, syncedBytes: index.positionAt(index.entryFor(synced)) }
}

/**
 * Whether some batch at `position` or behind it proves that the log was once synced beyond `endOffset`: then what stands at `position` is
 * damage, and not the torn tail of the last round (docs/decisions/0001).
 *
 * Batches lie anywhere behind the damage, so every "GMQB" is tried. A message may hold the bytes of a batch itself, from another log or
 * with ill intent; it proves nothing unless its numbers fit this place: what a disk writes was not synced before (`synced <= base`), and
 * the records between the damage and the batch must have room in the bytes between.
 */
export async function wasSyncedBehind(
  file: FileHandle,
  position: number,
  endOffset: Offset,
  crc32: Crc32,
): Promise<boolean> {
  const fileBytes = await file.sizeBytes()
  for (let at = position; at < fileBytes; at += SCAN_CHUNK_BYTES) {
    const chunk = new Uint8Array(Math.min(fileBytes - at, SCAN_CHUNK_BYTES + HEADER_BYTES))
    await file.read(chunk, at)
    for (let i = chunk.indexOf(MAGIC_BYTE); i >= 0; i = chunk.indexOf(MAGIC_BYTE, i + 1)) {
      const batch = chunk.subarray(i)
      if (!isHeaderIntact(batch, crc32)) continue
      const base = baseOffsetOf(batch)
      const synced = syncedOffsetOf(batch)
      const recordsMax = (at + i - position) / RECORD_BYTES_MIN
      if (synced > endOffset && synced <= base && base - endOffset <= recordsMax) return true
    }
  }
  return false
}
